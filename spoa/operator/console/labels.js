// The words of the daemon's states, in plain English. A state that this table does not know is shown as it is.
const TARGETS = {
	closed: ['healthy', 'good', 'receives requests'],
	ramp: ['recovering', 'edit', 'receives a growing share of requests'],
	half_open: ['probing', 'edit', 'one request at a time tests the target'],
	open: ['circuit open', 'bad', 'receives no requests until the next try'],
	throttled: ['throttled', 'edit', 'the provider asked the gateway to wait'],
	out: ['credential rejected', 'bad', 'the provider rejects the gateway’s credential'],
	keyless: ['no credential', 'bad', 'the gateway has no credential for the provider'],
	no_model: ['model missing', 'bad', 'the provider does not have the model'],
	ejected: ['ejected', 'bad', 'an operator took the target out'],
	failing: ['failing', 'bad', 'receives requests, but the last request to its provider failed'],
};
const DEGRADED = { away: ['degraded', 'bad'], calm: ['recovering', 'edit'], refuses: ['refuses writes', 'bad'],
	dropped: ['lines dropped', 'edit'] };
const TOOLS = {
	approved: ['approved', 'good', 'an operator approved the current text'],
	new: ['new', 'edit', 'no operator has reviewed the text yet'],
	changed: ['changed', 'bad', 'hidden and denied until an operator approves the new text'],
};
const CAUSES = {
	never_sent: 'the gateway could not reach the provider',
	throttled: 'the provider throttled the request',
	refused_us: 'the provider rejected the request',
	perhaps_billed: 'the provider failed after the request was sent',
	ruled: 'a rule of HAProxy answered the request',
};
/* How a request ended. */
const OUTCOMES = {
	answer_denied: 'response denied',
	client_abort: 'caller disconnected',
	haproxy_answered: 'answered by HAProxy',
	never_sent: 'not sent',
	provider_abort: 'provider disconnected',
	provider_aborted: 'provider disconnected',
	provider_timeout: 'provider timed out',
	provider_unavailable: 'provider unreachable',
};
/* Why a placeholder stays in the arguments of a call. */
const LEFT = { url: 'in a URL', host: 'next to a URL or host', tool: 'by the tool', size: 'in a long string', unknown: 'of unknown value' };
/* Results for the targets of a route. */
const FATES = { left: 'not needed', out: 'unavailable' };

const shown_as = (table) => (state) => {
	const [label, kind, means] = table[state] ?? [plain_words(state ?? 'unknown'), 'dim'];
	return { label, kind, means };
};
/* How often a rule had an effect: it decided, redacted, or did something else, such as choosing targets. */
export const rule_hits = (did) => ['permit', 'redact', 'deny', 'apply'].reduce((n, name) => n + (did?.[name] ?? 0), 0);

export const target_state = shown_as(TARGETS);
/* Providers whose last request failed, of /now or /status. */
export const failing_of = (got) => new Set((got.providers ?? []).filter((p) => p.failing).map((p) => p.provider));
/* The state of a target that receives requests is the one of its provider. */
export const state_of = (t, failing) => (t.state === 'closed' && failing.has(t.target.split('/')[0]) ? 'failing' : t.state);
export const degraded_state = shown_as(DEGRADED);
export const tool_state = shown_as(TOOLS);
export const failure_cause = (cause) => CAUSES[cause] ?? plain_words(cause);
export const left_reason = (why) => LEFT[why] ?? plain_words(why);
export const candidate_result = (fate) => FATES[fate] ?? plain_words(fate);
export const outcome_label = (outcome) => OUTCOMES[outcome] ?? plain_words(outcome);
/* half_open: "half open" */
export const plain_words = (word) => String(word).replaceAll('_', ' ');
