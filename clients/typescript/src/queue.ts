/**
 * A queue that can be read in the middle. Pure.
 *
 * @module
 */

/** Elements in order; taking from the front costs the same however long it is, on average. */
export class Queue<T> {
  #elements: T[] = [];
  #first = 0; // elements before it are gone

  /** How many elements it has. */
  get size(): number {
    return this.#elements.length - this.#first;
  }

  /** Adds an element at the end. */
  push(element: T): void {
    this.#elements.push(element);
  }

  /** Returns the element at a position from the front, from 0. */
  at(position: number): T | undefined {
    return this.#elements[this.#first + position];
  }

  /** Takes so many elements from the front. */
  shift(count: number): T[] {
    const taken = this.#elements.slice(this.#first, this.#first + count);
    this.#first += taken.length;
    if (this.#first > this.#elements.length / 2) {
      this.#elements = this.#elements.slice(this.#first);
      this.#first = 0;
    }
    return taken;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#elements.slice(this.#first).values();
  }
}
