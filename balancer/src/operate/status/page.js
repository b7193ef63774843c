// Asks once a second and shows what it was told, or that nobody answers.

import { draw, drawContact } from "./drawing.js";
import { remember } from "./figures.js";
import { picture } from "./picture.js";

const PAUSE_MS = 1000;
const ANSWER_MS = 2000;
/** Silence after which what is shown counts as old. */
const LOST_MS = 3000;

let looks = [];
let heardAt = performance.now();
let told = "";

/** Kept until the tab is closed, so that a reload does not ask for it again. */
const token = {
  form: document.querySelector("#token"),
  get headers() {
    const text = sessionStorage.getItem("token");
    return text ? { authorization: `Bearer ${text}` } : {};
  },
};

async function look() {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const answer = await fetch("/status.json", { cache: "no-store", headers: token.headers, signal });
  token.form.hidden = answer.status !== 401;
  if (answer.status === 401) throw new Error("the balancer asks for its token");
  if (!answer.ok) throw new Error(`the balancer answers ${answer.status}`);
  return answer.json();
}

async function again() {
  try {
    const status = await look();
    looks = remember(looks, status);
    [heardAt, told] = [performance.now(), ""];
    draw(picture(looks), status);
  } catch (error) {
    told = error.name === "TimeoutError" ? "no answer in time" : error.message;
  }
}

function contact() {
  const silence = performance.now() - heardAt;
  drawContact(silence > LOST_MS ? { seconds: silence / 1000, told } : null);
}

async function follow() {
  for (;;) {
    const next = new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });
    await again();
    contact();
    await next;
  }
}

token.form.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", token.form.querySelector("input").value);
  token.form.reset();
  again().then(contact);
});

setInterval(contact, PAUSE_MS);
follow();
