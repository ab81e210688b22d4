import { inject, injectable, toBytes } from "@kpkeys/core";
import { Access, Cpus, Errno, Exceptions, OK, PhysicalMemory, Privilege, wordsOf } from "@kpkeys/core/contracts";
import type { ByteOrder, Words } from "@kpkeys/core/contracts";
import type { BpfImage, BpfJit } from "./jit.js";
import { LoadedImages } from "./loaded-images.js";
import { CHUNK_BYTES } from "./pack.js";
import { ProgPacks } from "./prog-packs.js";
import { ProgText } from "./prog-text.js";

/** Bytes before the first instruction: `struct bpf_binary_header` with its size, aligned to BPF_IMAGE_ALIGNMENT. */
const HEADER_BYTES = 8;
/** Bytes of traps that every image has at least. Linux puts the program at a random place in them; here it follows the header. */
const TRAP_BYTES = 16;
/** Bytes that one fetch covers. */
const LINE_BYTES = 64;

/** {@link BpfJit} with packs. */
@injectable()
export class KernelBpfJit implements BpfJit {
  private readonly pageShift: number;
  private readonly byteOrder: ByteOrder;

  constructor(
    @inject(LoadedImages) private readonly loaded: LoadedImages,
    @inject(ProgPacks) private readonly packs: ProgPacks,
    @inject(ProgText) private readonly text: ProgText,
    @inject(Exceptions) private readonly exceptions: Exceptions,
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PhysicalMemory) { pageShift, byteOrder }: PhysicalMemory,
  ) {
    this.pageShift = pageShift;
    this.byteOrder = byteOrder;
  }

  get images(): Iterable<BpfImage> {
    return this.loaded.images;
  }

  load(program: Uint8Array): BpfImage | Errno {
    const { length } = program;
    const size = Math.ceil((length + HEADER_BYTES + TRAP_BYTES) / CHUNK_BYTES) * CHUNK_BYTES;
    const place = this.packs.alloc(size);
    if (place === undefined) return Errno.ENOMEM;
    const errno = this.text.copy(place.pack, place.offset, this.binary(program, size));
    if (errno !== 0) {
      this.packs.free(place);
      return errno;
    }
    const address = wordsOf(place.pack.page, this.pageShift);
    const image = { address: after(address, place.offset + HEADER_BYTES), length, size };
    this.loaded.add(image, place);
    return image;
  }

  unload(image: BpfImage): 0 | Errno {
    const place = this.loaded.placeOf(image);
    // bpf_prog_pack_free() only warns and frees the chunks, because text_poke needs no memory. The alias of ProgText may need a table.
    const errno = this.text.invalidate(place.pack, place.offset, place.size);
    if (errno !== 0) return errno;
    this.loaded.remove(image);
    this.packs.free(place);
    return 0;
  }

  patch(image: BpfImage, offset: number, from: Words, to: Words): 0 | Errno {
    const { pack, offset: start } = this.loaded.placeOf(image);
    if (offset < 0 || offset % 8 !== 0 || offset >= image.length) return Errno.EINVAL;
    const present = this.exceptions.copyFromKernelNofault(after(image.address, offset), 8);
    if (!(present instanceof Uint8Array)) return present;
    if (toBytes(from, this.byteOrder).some((byte, index) => byte !== present[index])) return Errno.EBUSY;
    return this.text.copy(pack, start + HEADER_BYTES + offset, toBytes(to, this.byteOrder));
  }

  run(image: BpfImage): 0 | Errno {
    this.loaded.placeOf(image);
    for (let at = 0; at < image.length; at += LINE_BYTES) {
      const { high, low } = after(image.address, at);
      if (this.cpus.current.access(high, low, Access.FETCH, Privilege.KERNEL) !== OK) return Errno.EFAULT;
    }
    return 0;
  }

  /** Header, program and traps, as the JIT prepares them in ordinary memory. */
  private binary(program: Uint8Array, size: number): Uint8Array {
    const bytes = this.text.traps(size);
    new DataView(bytes.buffer).setUint32(0, size, true);
    bytes.set(program, HEADER_BYTES);
    return bytes;
  }
}

/** The address some bytes after another one. */
function after({ high, low }: Words, bytes: number): Words {
  const sum = (low >>> 0) + bytes;
  return { high: (high + Math.floor(sum / 2 ** 32)) | 0, low: sum | 0 };
}
