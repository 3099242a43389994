/* A credential for a call that the daemon makes itself, such as one to an external recognizer. Such
 * a call does not pass HAProxy, so that its header lines have the names that the service expects. */
#ifndef GATE_AUTH_AUTH_CALL_H
#define GATE_AUTH_AUTH_CALL_H

#include "base/arena.h"
#include "gate/auth/auth.h"

struct http_answer;
struct http_call_options;

/* Adds to the options of a POST the header lines that authenticate it: o->url and o->body are set,
 * and o->fields contain "Content-Type: application/json". With sigv4, one of the lines is the Host
 * that is signed: the credential's `host`. The lines are in the arena, which holds secrets and must
 * be wiped after http_call(). *generation is the value's, for auth_call_refused(). Returns 0;
 * ERR_CLOSED if the credential has no usable value; ERR_NOMEM or ERR_LIMIT. */
int auth_call_options(struct auth *a, struct arena *arena, struct http_call_options *o,
	unsigned *generation);

/* Call it with each response to such a call: see auth_refused(). */
void auth_call_refused(struct auth *a, unsigned generation, const struct http_answer *answer);

#endif
