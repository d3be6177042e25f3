// How a Node library sits the exam: see the crate gatepass-bench-exam for what is asked and answered.
import { createInterface } from "node:readline";

// The compiler of the engine wants to have seen a function often before it makes it fast.
const WARM_UP_MILLIS = 300;

/**
 * `candidate` has the functions `verifier`, `signer`, `decrypter` and `encrypter`, those that it can:
 * each gets the exam and a subject and gives a function, or nothing where the library does not have
 * the algorithm.
 */
export async function sit(candidate) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const exam = JSON.parse((await lines.next()).value);
  const tasks = new Map();
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const question = JSON.parse(line);
    const answered = await answer(candidate, exam, tasks, question).catch((error) => {
      return { answer: "failed", why: String(error.message ?? error) };
    });
    process.stdout.write(JSON.stringify(answered) + "\n");
  }
}

async function answer(candidate, exam, tasks, { operation, alg, calls }) {
  const key = operation + " " + alg;
  const signs = operation === "verify" || operation === "sign";
  const subject = (signs ? exam.signatures : exam.encryptions).find((subject) => subject.alg === alg);
  if (calls !== null) {
    return { answer: "used", amount: await measure(tasks.get(key), operation, subject, calls) };
  }
  const name = { verify: "verifier", sign: "signer", decrypt: "decrypter", encrypt: "encrypter" }[operation];
  const task = await candidate[name]?.(exam, subject);
  if (!task) return { answer: "unsupported" };
  tasks.set(key, task);
  return attempt(task, operation, subject);
}

async function attempt(task, operation, subject) {
  const takes = operation === "verify" || operation === "decrypt";
  const answered = takes ? await takesWhich(task, subject) : { answer: "made", token: await task(subject.claims[0]) };
  const end = Date.now() + WARM_UP_MILLIS;
  while (Date.now() < end) await measure(task, operation, subject, 100);
  return answered;
}

async function takesWhich(task, subject) {
  for (const token of subject.tokens) await task(token);
  const bad = [];
  for (const { name, token } of subject.bad) {
    try {
      await task(token);
      bad.push(name);
    } catch {
      // as it should be
    }
  }
  return { answer: "takes", bad };
}

/** Nanoseconds of CPU time, those of the engine's helper threads included. */
async function measure(task, operation, subject, calls) {
  const takes = operation === "verify" || operation === "decrypt";
  const inputs = takes ? subject.tokens : subject.claims;
  const before = process.cpuUsage();
  for (let call = 0; call < calls; call++) {
    const done = task(inputs[call % inputs.length]);
    if (done instanceof Promise) await done;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000;
}
