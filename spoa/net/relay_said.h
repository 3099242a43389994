/* Determines who made a response that arrived over the inner bind, and whether the provider can
 * have received the request. The shipped HAProxy files report this in two fields that no
 * provider can forge (prose: ok said):
 *
 *   x-tollgate-said: provider            the response was made by a server
 *   x-tollgate-why: ST Tw Tc Tr rc b s e the response was made by HAProxy: its verdict, which
 *                                        `errorfile` does not change, and the times of its log
 *                                        (configuration.txt 8.2.4)
 *
 * HAProxy files of earlier versions set neither field. HAProxy may also send no response at all:
 * it closes the connection where a client would repeat the request by itself
 * (tests/e2e/inner-bind.sh). On a connection that has already carried a response, HAProxy does
 * so if no connection to the provider was established in time, although nothing was sent, and in
 * 2.6 if the provider closed before the head. From 3.0 on, HAProxy does so on any connection if
 * the provider closed a connection that HAProxy had kept.
 *
 * Therefore, a request that may have another attempt is always sent on a new connection. On a
 * new connection HAProxy always reports that a request was never sent, and a close means that
 * the request may have been billed. */
#ifndef NET_RELAY_SAID_H
#define NET_RELAY_SAID_H

#include "base/codec/http.h"

#define SAID_FIELD "x-tollgate-said"
#define WHY_FIELD  "x-tollgate-why"

enum relay_said {
	/* neither field is set: an older HAProxy file. Its error pages have
	 * x-tollgate-unanswered; any other response counts as the provider's */
	SAID_NOTHING,
	SAID_BY_PROVIDER,
	/* HAProxy's own: no connection to a server, no byte of the request was sent */
	SAID_NEVER_SENT,
	/* As SAID_NEVER_SENT, but made by a rule of the edge with a status below 500. This is no
	 * failure, because another target would meet the same rule. From 500 on, a rule cannot
	 * be distinguished from a server that is down. */
	SAID_BY_RULE,
	SAID_INSTEAD, /* HAProxy's own, by a rule, after the head of the provider's response */
	/* HAProxy's own after a connection was made, or fields that cannot be parsed */
	SAID_PERHAPS_BILLED
};

/* Determines the origin from the values of the two fields, which may be any bytes. A value with
 * p NULL: the field is absent. Pure. */
enum relay_said relay_said(struct span said, struct span why);
/* As relay_said(), from a response's head. A field that occurs twice cannot be parsed. */
enum relay_said relay_said_in(const struct http_head *head);

#endif
