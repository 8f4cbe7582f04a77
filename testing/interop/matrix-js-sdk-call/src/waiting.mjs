// Waiting for what events of the library bring.

const waiting = new Set();

/** Something may be otherwise than before. */
export function changed() {
  for (const look of waiting) look();
}

/** Waits until `find` gives something, and gives it. Looks again at each change, and now and then for what tells of none. */
export function until(what, patience, find) {
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      waiting.delete(look);
      clearInterval(timer);
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
    const timer = setInterval(look, 25);
    waiting.add(look);
    look();
  });
}
