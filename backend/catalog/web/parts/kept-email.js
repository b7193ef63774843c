// The e-mail address as it was typed last, until the tab is closed.

const STORE = "marquee.email";

export function keptEmail() {
  try {
    return sessionStorage.getItem(STORE) ?? "";
  } catch {
    return "";
  }
}

export function keepEmail(email) {
  try {
    sessionStorage.setItem(STORE, email);
  } catch {
    // it is typed again next time, no more
  }
}
