/* Whose answer came over the inner bind, and whether the provider can have been asked: what the
 * shipped HAProxy files say of it in two fields that no provider can forge.
 *
 *   x-tollgate-said: provider            the answer of a server
 *   x-tollgate-why: ST Tw Tc Tr rc b s e HAProxy's own: its verdict, which `errorfile` does not
 *                                        change, and its log's times (configuration.txt 8.2.4)
 *
 * An edge of before that says neither. And HAProxy may say nothing at all: it closes where a
 * client would send again by itself (tests/e2e/inner-bind.sh). On a connection that has had an
 * answer: where no connection to the provider came in time, though nothing was sent, and on 2.6
 * where it was cut before the head. From 3.0 on, on any: where the provider cut a kept
 * connection of its own. So what may have another attempt goes out on a new connection: there
 * all that was never sent is said, and a close is perhaps billed. */
#ifndef NET_RELAY_SAID_H
#define NET_RELAY_SAID_H

#include "base/codec/http.h"

#define SAID_FIELD "x-tollgate-said"
#define WHY_FIELD  "x-tollgate-why"

enum relay_said {
	SAID_NOTHING, /* neither field: an older edge. Its error pages have
		       * x-tollgate-unanswered, the rest is taken for the provider's */
	SAID_BY_PROVIDER,
	SAID_NEVER_SENT, /* HAProxy's own: no connection to a server, no byte of the request */
	SAID_BY_RULE,	 /* the same, by a rule of the edge with a status of its own, below 500:
			  * no failure, and another target would meet the same rule. From 500 on
			  * nothing tells a rule from a server that is down */
	SAID_INSTEAD, /* HAProxy's own after the head of a provider's answer: a rule on that */
	SAID_PERHAPS_BILLED /* HAProxy's own after a connection, and what cannot be read */
};

/* p is NULL where the field is absent. Pure; any bytes. */
enum relay_said relay_said(struct span said, struct span why);
/* Of an answer's head. A field that is there twice cannot be read. */
enum relay_said relay_said_in(const struct http_head *head);

#endif
