/* The shape of the sound: bars on a canvas, filled up to where the audio is. */

const BAR = 3; // CSS pixels
const GAP = 2;
const DECODE_RATE = 22_050; // Hz; plenty for a picture

/** Returns `{show, mark}` over a canvas; `mark` gets the part played, 0 to 1. */
export function createWaveform(canvas) {
  let samples = null;
  let bars = [];
  let played = 0;

  new ResizeObserver(measure).observe(canvas);

  /** Shows the sound of an audio file. A file that can't be decoded leaves a flat line. */
  async function show(blob) {
    samples = null;
    played = 0;
    const file = await blob.arrayBuffer();
    try {
      const context = new OfflineAudioContext(1, 1, DECODE_RATE);
      samples = (await context.decodeAudioData(file)).getChannelData(0);
    } catch {
      samples = null; // the picture is an extra: the audio element plays or complains
    }
    measure();
  }

  function mark(part) {
    played = part;
    draw();
  }

  function measure() {
    const scale = devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    bars = loudness(samples, Math.floor(canvas.clientWidth / (BAR + GAP)));
    draw();
  }

  function draw() {
    const context = canvas.getContext("2d");
    const scale = devicePixelRatio;
    const height = canvas.clientHeight;
    const style = getComputedStyle(canvas);
    const colours = [
      style.getPropertyValue("--wave-played"),
      style.getPropertyValue("--wave-ahead"),
    ];
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, height);
    bars.forEach((level, index) => {
      const tall = Math.max(BAR, level * height);
      context.fillStyle = (index + 0.5) / bars.length <= played ? colours[0] : colours[1];
      context.beginPath();
      context.roundRect(index * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    });
  }

  return { show, mark };
}

// `count` levels from 0 to 1: the root mean square of each stretch, the loudest being 1.
function loudness(samples, count) {
  const levels = new Array(Math.max(count, 0)).fill(0);
  if (!samples || !levels.length) return levels;
  const stretch = samples.length / count;
  for (let i = 0; i < count; i += 1) {
    const from = Math.floor(i * stretch);
    const to = Math.max(from + 1, Math.floor((i + 1) * stretch));
    let sum = 0;
    for (let j = from; j < to; j += 1) sum += samples[j] * samples[j];
    levels[i] = Math.sqrt(sum / (to - from));
  }
  const loudest = Math.max(...levels) || 1;
  return levels.map((level) => level / loudest);
}
