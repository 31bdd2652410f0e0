// Runs an ONNX file by ONNX Runtime on what onnx_peer wrote, and compares.
//
// usage: node compare.js MODULES FILE FOLDER [BATCH]
//
// MODULES is the folder where onnxruntime-node is installed. Prints one line of JSON: the largest
// difference of the logits over the largest logit, the largest difference of probabilities to the
// softmax of the file's own logits, accuracy and loss of both sides, and milliseconds an image.
"use strict";
const fs = require("fs");
const path = require("path");

const [modules, file, folder, batchText] = process.argv.slice(2);
const ort = require(path.join(modules, "node_modules", "onnxruntime-node"));

function numbers(name, type) {
  const bytes = fs.readFileSync(path.join(folder, name));
  return new type(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

// Accuracy and mean cross-entropy of rows of logits, in double precision.
function score(logits, labels, classes) {
  let right = 0;
  let loss = 0;
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const most = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((a, z) => a + Math.exp(z - most), 0);
    loss += most + Math.log(sum) - row[label];
    right += row.indexOf(most) === label;
  });
  return { accuracy: right / labels.length, loss: loss / labels.length };
}

function softmaxError(logits, probabilities, classes) {
  let error = 0;
  for (let i = 0; i < logits.length; i += classes) {
    const row = logits.subarray(i, i + classes);
    const most = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((a, z) => a + Math.exp(z - most), 0);
    row.forEach((z, c) => {
      error = Math.max(error, Math.abs(Math.exp(z - most) / sum - probabilities[i + c]));
    });
  }
  return error;
}

async function main() {
  const { shape, classes } = JSON.parse(fs.readFileSync(path.join(folder, "shape.json")));
  const [count, ...image] = shape;
  const images = numbers("images.f32", Float32Array);
  const wanted = numbers("logits.f32", Float32Array);
  const labels = numbers("labels.i32", Int32Array);
  const batch = Number(batchText || 16);
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 2 });
  const pixels = image.reduce((a, b) => a * b);
  const logits = new Float32Array(count * classes);
  const probabilities = new Float32Array(count * classes);
  const begin = process.hrtime.bigint();
  for (let first = 0; first < count; first += batch) {
    const part = Math.min(batch, count - first);
    const input = images.subarray(first * pixels, (first + part) * pixels);
    const result = await session.run({ image: new ort.Tensor("float32", input, [part, ...image]) });
    logits.set(result.logits.data, first * classes);
    probabilities.set(result.probabilities.data, first * classes);
  }
  const milliseconds = Number(process.hrtime.bigint() - begin) / 1e6 / count;
  let difference = 0;
  let largest = 0;
  wanted.forEach((value, i) => {
    // NaN is a difference.
    const apart = Math.abs(value - logits[i]);
    difference = apart <= difference ? difference : apart;
    largest = Math.max(largest, Math.abs(value));
  });
  console.log(JSON.stringify({
    difference: difference / largest,
    largest,
    softmax: softmaxError(logits, probabilities, classes),
    fcnn: score(wanted, labels, classes),
    onnx: score(logits, labels, classes),
    ms_per_image: milliseconds,
    images: count,
    classes,
  }));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
