import { KpkeysError } from "./errors.js";

/** Descriptions of the errno(3) values that occur for a path. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBADF: "it is not open for this operation",
  EBUSY: "it is in use",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it exists already",
  EFBIG: "the file is too large",
  EIO: "the device reports an error",
  EISDIR: "this is a directory",
  ELOOP: "a loop of symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "too many open files",
  ENODEV: "there is no such device",
  ENOENT: "no such file or folder",
  ENOSPC: "no space is left on the device",
  ENOTDIR: "a part of the path is not a folder",
  ENXIO: "there is no such device, or no reader",
  EPERM: "operation not permitted",
  EPIPE: "the reader has closed it",
  EROFS: "the file system is read-only",
  ETXTBSY: "the program is running",
};

/**
 * Describes why a file operation failed.
 *
 * @param cause - the error thrown by Node's `fs`
 * @returns the reason and the name of errno(3); the error's message if it has no such name
 */
export function fileReason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const code = "code" in cause ? String(cause.code) : "";
  const reason = REASONS[code];
  if (reason !== undefined) return `${reason} (${code})`;
  return /^E[A-Z0-9]+$/.test(code) ? `the file system reports ${code}` : cause.message;
}

/**
 * The error for an input that cannot be opened or read.
 *
 * @param path - the input
 * @param cause - the error thrown by Node's `fs`
 * @param expected - description of a valid input
 * @returns ERR_INPUT_KIND for a directory, otherwise ERR_INPUT_MISSING; `cause` itself if it is a KpkeysError
 */
export function inputFailure(path: string, cause: unknown, expected = "a file that can be read"): KpkeysError {
  if (cause instanceof KpkeysError) return cause;
  const isDirectory = cause instanceof Error && "code" in cause && cause.code === "EISDIR";
  const code = isDirectory ? "ERR_INPUT_KIND" : "ERR_INPUT_MISSING";
  return new KpkeysError(code, fileReason(cause), { where: path, expected, cause });
}

/**
 * The error for an output that cannot be created or written.
 *
 * @param path - the output
 * @param cause - the error thrown by Node's `fs`
 * @param expected - description of a valid output
 * @returns ERR_OUTPUT; `cause` itself if it is a KpkeysError
 */
export function outputFailure(path: string, cause: unknown, expected = "a file that can be written"): KpkeysError {
  if (cause instanceof KpkeysError) return cause;
  return new KpkeysError("ERR_OUTPUT", fileReason(cause), { where: path, expected, cause });
}
