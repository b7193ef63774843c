// Two notes, made by the browser: there is no file to load when it matters.

const NOTES_HZ = [659.26, 880];
const NOTE_SECONDS = 0.22;
const VOLUME = 0.18;

let audio = null;

/** Browsers play nothing before a page was touched; whoever asks for sounds touches it, and so they are allowed. */
export function allowSound() {
  if (typeof AudioContext !== "function") return;
  audio ??= new AudioContext();
  audio.resume().catch(() => {}); // until then it is silent; the title and the page say the same
}

export async function chime() {
  allowSound();
  if (audio?.state !== "running") return;
  NOTES_HZ.forEach((hertz, index) => play(hertz, audio.currentTime + index * NOTE_SECONDS));
}

/** Rises and fades, so that it does not click. */
function play(hertz, at) {
  const [tone, volume] = [audio.createOscillator(), audio.createGain()];
  tone.frequency.value = hertz;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(VOLUME, at + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 2 * NOTE_SECONDS);
  tone.connect(volume).connect(audio.destination);
  tone.start(at);
  tone.stop(at + 2 * NOTE_SECONDS);
}
