/** Copying, also where the clipboard API is missing, as it is on pages without TLS. */

/** Copies what `shown` shows; selects it for copying by hand and gives `false` if the browser lets no page copy. */
export async function copy(shown: HTMLInputElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(shown.value);
    return true;
  } catch {
    return copySelected(shown);
  }
}

function copySelected(shown: HTMLInputElement): boolean {
  shown.hidden = false;
  shown.focus();
  shown.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  }
}
