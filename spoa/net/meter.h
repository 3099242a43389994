/* Reads the provider's `usage` from a response while its bytes pass. JSON
 * bodies are kept up to CAP_USAGE_BODY_BYTES; event streams are read event by
 * event and, where the usage was asked for by us and not by the caller, edited.
 * Never fails a response: what it cannot read it passes on, and the usage is
 * unknown. owner: the relay connection. */
#ifndef NET_METER_H
#define NET_METER_H

#include "codec/sse.h"
#include "dialect/dialect.h"

struct meter {
	const struct dialect *dialect;
	bool sse, hide;
	struct sse events;
	struct buf body; /* JSON: what was kept */
	bool body_over;	 /* over CAP_USAGE_BODY_BYTES: usage stays unknown */
	uint64_t unread; /* events over CAP_SSE_EVENT_BYTES, passed on unread */
	struct usage usage;
	struct arena scratch;
};

/* `is_sse`: the response's Content-Type is text/event-stream. */
void meter_init(struct meter *m, const struct dialect *d, bool is_sse, bool hide_usage);
/* Appends to *out what is to be forwarded now. Without hide_usage always the
 * same bytes, at once; with it whole events, edited or dropped, everything else
 * byte-identical. 0; ERR_NOMEM (out failed, or an unfinished event could not be
 * held: the exchange must be aborted, bytes were lost). */
int meter_feed(struct meter *m, struct span bytes, struct buf *out);
/* The response ended: the rest to forward, and the usage. Errors as above. */
int meter_end(struct meter *m, struct buf *out, struct usage *usage);
void meter_free(struct meter *m);

#endif
