import { applyChange, toPfn } from "../contracts/index.js";
import type {
  AttributeChange,
  EntryKeys,
  Errno,
  FrameKeys,
  FrameRun,
  PageKeys,
  PageTableFormat,
  Pfn,
  Pkey,
  Words,
} from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** Keys in leaves: POIndex of arm64, bits 62:59 of x86. */
class KeysOfEntries implements PageKeys {
  constructor(private readonly keys: EntryKeys) {}

  ofLeaf(high: number, low: number): Pkey {
    return this.keys.pkeyOf(high, low);
  }

  ofEntry(high: number, low: number): Pkey {
    return this.keys.pkeyOf(high, low);
  }

  ofFrame(): undefined {
    return undefined;
  }

  set(_frames: unknown, pkey: Pkey, changeEntries: (change: AttributeChange) => 0 | Errno): 0 | Errno {
    return changeEntries(this.keys.pkeyChange(pkey));
  }

  withKey(leaf: Words, pkey: Pkey): Words {
    return applyChange(leaf, this.keys.pkeyChange(pkey));
  }
}

/** Keys of frames: the storage keys of s390. */
class KeysOfFrames implements PageKeys {
  constructor(
    private readonly format: PageTableFormat,
    private readonly frames: FrameKeys,
  ) {}

  ofLeaf(high: number, low: number, page: number): Pkey {
    return this.frames.get(toPfn(this.format.pfnOf(high, low) + page));
  }

  ofEntry(): undefined {
    return undefined;
  }

  ofFrame(pfn: Pfn): Pkey {
    return this.frames.get(pfn);
  }

  set(frames: readonly FrameRun[], pkey: Pkey): 0 {
    for (const { pfn, pages } of frames) {
      for (let i = 0; i < pages; i++) this.frames.set(toPfn(pfn + i), pkey);
      this.frames.invalidate(pfn, pages);
    }
    return 0;
  }

  withKey(leaf: Words): Words {
    return leaf;
  }
}

/**
 * The keys of pages of an architecture.
 * @param format - its codec, whose `entryKeys` has the keys that are kept in entries
 * @param frames - the keys that are kept with frames
 * @throws KpkeysError ERR_PLUGIN_ARCH if keys are kept in both places or in none
 */
export function pageKeysOf(format: PageTableFormat, frames: FrameKeys | undefined): PageKeys {
  const { entryKeys } = format;
  if (entryKeys !== undefined && frames === undefined) return new KeysOfEntries(entryKeys);
  if (frames !== undefined && entryKeys === undefined) return new KeysOfFrames(format, frames);
  throw new KpkeysError(
    "ERR_PLUGIN_ARCH",
    `cannot register the architecture: it keeps the keys of pages ${frames === undefined ? "neither in entries nor with frames" : "in entries and with frames"}`,
    { expected: "PageTableFormat.entryKeys or frameKeys, and not both" },
  );
}
