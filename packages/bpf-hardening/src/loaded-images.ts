import { addressText, inject, injectable, KpkeysError } from "@kpkeys/core";
import { Kpkeys } from "@kpkeys/core/contracts";
import type { Pkey, ProtectedObject } from "@kpkeys/core/contracts";
import type { BpfImage } from "./jit.js";
import type { PackPlace } from "./prog-packs.js";

/** The loaded images with their places in packs. */
@injectable()
export class LoadedImages {
  private readonly places = new Map<BpfImage, PackPlace>();
  private readonly pkey: Pkey;

  constructor(@inject(Kpkeys) kpkeys: Kpkeys) {
    this.pkey = kpkeys.pkey("BPF");
  }

  /** The images, in the order of loading. */
  get images(): Iterable<BpfImage> {
    return this.places.keys();
  }

  /** Adds an image. @param image - the image @param place - its chunks */
  add(image: BpfImage, place: PackPlace): void {
    this.places.set(image, place);
  }

  /** Removes an image. @param image - a loaded image */
  remove(image: BpfImage): void {
    this.places.delete(image);
  }

  /**
   * The chunks of an image.
   * @param image - a loaded image
   * @throws KpkeysError ERR_API_MISUSE for another one
   */
  placeOf(image: BpfImage): PackPlace {
    const place = this.places.get(image);
    if (place !== undefined) return place;
    const { high, low } = image.address;
    throw new KpkeysError("ERR_API_MISUSE", `no program is loaded at 0x${addressText(high, low)}`, {
      where: "the BPF JIT",
      expected: "an image that load() returned and unload() did not remove",
    });
  }

  /** The images for the scanner and the probe stores: one object for each page of an image. */
  *objects(): Iterable<ProtectedObject> {
    for (const { pack, offset, size } of this.places.values()) {
      for (const { pfn, offset: at, bytes } of pack.parts(offset, size))
        yield { pfn, offset: at, size: bytes, pkey: this.pkey, source: "bpf_image" };
    }
  }
}
