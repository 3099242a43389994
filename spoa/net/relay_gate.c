/* The relay's table of calls, with the real gate. This is a file of its own so that a test
 * scenario that plays the gate links without it. */
#include "net/relay.h"

const struct relay_gate_ops relay_gate_ops = {
	.claim = gate_claim,
	.claim_gone = gate_claim_gone,
	.replay = gate_replay,
	.plan = gate_plan,
	.hold = gate_hold,
	.unhold = gate_unhold,
	.aside = gate_aside,
	.body_bytes = gate_body_bytes,
	.body = gate_body,
	.refuse = gate_refuse,
	.again = gate_again,
	.stands = gate_stands,
	.response_fields = gate_response_fields,
	.cost_field = gate_cost_field,
	.refused = gate_refused,
	.session = gate_session,
	.answer = gate_answer,
	.sent = gate_sent,
	.keep = gate_keep,
	.heard = gate_heard,
	.finish = gate_finish,
	.socket_begin = gate_socket_begin,
	.message = gate_message,
	.socket_end = gate_socket_end,
	.socket_over = gate_socket_over,
	.socket_rests = gate_socket_rests,
};
