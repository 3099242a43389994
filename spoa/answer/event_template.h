/* Reading the events of a stream. Mostly one is the event before it with another text: the same
 * bytes before the text and after it. Then it says the same of everything but the text, and
 * nothing but the text need be read. owner: worker, one a stream. */
#ifndef ANSWER_EVENT_TEMPLATE_H
#define ANSWER_EVENT_TEMPLATE_H

#include "answer/document.h"
#include "base/buf.h"

enum {
	TEMPLATE_BYTES = 2048, /* of an event that is kept */
	TEMPLATE_TEXTS = 4,    /* in it */
};

struct event_template {
	struct buf event; /* the last one that was read whole; empty: none is kept */
	struct span type; /* of it, as the framing gave it: the first bytes of the buffer */
	struct answer_document d; /* of it, and views of it */
	struct answer_text texts[TEMPLATE_TEXTS];
	size_t text; /* which of them may differ */
};

void event_template_init(struct event_template *t);
void event_template_free(struct event_template *t);
/* As answer_read(), to the last bit. Of one stream: `f` is the same every time. */
int event_template_read(struct event_template *t, const struct answer_format *f,
	struct span event, struct span json, struct arena *a, struct answer_document *out,
	const char **why);

#endif
