// The common part of the JavaScript clients, as ../python/common.py for Python's: two tools, the arguments, and the
// line that a client prints for each run.
console.log = console.info = console.error; // some clients print
export const called = [];
export const tools = {
	look_up: { description: "Finds the colleague of a person.", members: ["person"], run: ({ person }) => (called.push(["look_up", person]), "The colleague is bob@example.com.") },
	send_mail: { description: "Sends a mail.", members: ["to", "subject"], run: ({ to, subject }) => (called.push(["send_mail", to, subject]), `Sent to ${to}.`) },
};
export const schema = (members) => ({ type: "object", properties: Object.fromEntries(members.map((m) => [m, { type: "string" }])), required: members, additionalProperties: false });
export const SYSTEM = "You are an assistant.";

export async function main(run) {
	const [key, variant, prompt, ...targets] = process.argv.slice(2);
	for (const given of targets) {
		const [target, base] = given.split("=");
		for (const stream of ["denied", "ill"].includes(target) ? [false] : [false, true]) {
			called.length = 0;
			const line = { target, stream }, began = Date.now();
			try {
				line.text = await run(base, key, variant, prompt, stream);
			} catch (e) {
				console.error(e);
				Object.assign(line, { error: e.name === "Error" ? e.constructor.name : e.name, says: String(e.responseBody ?? e.message).slice(0, 600) });
			}
			process.stdout.write(JSON.stringify({ ...line, calls: called, seconds: (Date.now() - began) / 1000 }) + "\n");
		}
	}
}
