// Waiting for what events of the library bring.

const waiting = new Set();

/** Something may be otherwise than before. */
export function changed() {
  for (const look of waiting) look();
}

/**
 * Waits until `find` gives something, and gives it. Looks again at each change, and now and then for what tells of none: no more often
 * than leaves the page four fifths of its time, for on a slow machine it would come to nothing else, and so not to what is waited for.
 */
export function until(what, patience, find) {
  return new Promise((resolve, reject) => {
    let timer;
    const end = (settle, value) => {
      waiting.delete(look);
      clearTimeout(timer);
      settle(value);
    };
    const giveUpAt = performance.now() + patience;
    const look = () => {
      let found;
      try {
        found = find();
      } catch (error) {
        return end(reject, error);
      }
      if (found) end(resolve, found);
      else if (performance.now() > giveUpAt) end(reject, new Error(`waited in vain for ${what}`));
    };
    const lookNowAndThen = () => {
      const begun = performance.now();
      look();
      const took = performance.now() - begun;
      if (waiting.has(look)) timer = setTimeout(lookNowAndThen, Math.max(25, 4 * took));
    };
    waiting.add(look);
    lookNowAndThen();
  });
}
