/* Reading the events of a stream. Mostly one is the event before it with another text, and
 * another number, time or padding where formats have those: the same bytes before, between and
 * after them. Then it says the same of everything else, and nothing else need be read. owner:
 * worker, one a stream. */
#ifndef ANSWER_EVENT_TEMPLATE_H
#define ANSWER_EVENT_TEMPLATE_H

#include "answer/document.h"
#include "base/buf.h"
#include "base/caps.h"

enum {
	TEMPLATE_TEXTS = 4, /* of an event that is kept */
	TEMPLATE_GAPS = TEMPLATE_TEXTS + ANSWER_SKIPPED,
};

struct event_template {
	struct buf event; /* its type and the last one that was parsed; empty: none is kept */
	struct span type, json;	  /* both, as views of it */
	struct answer_document d; /* of it, and views of it */
	struct answer_text texts[TEMPLATE_TEXTS];
	/* The values that may differ, in their order. */
	struct gap {
		enum gap_kind { GAP_TEXT, GAP_WORD, GAP_NUMBER } kind;
		struct answer_range at;
		size_t text; /* GAP_TEXT: which of them */
	} gaps[TEMPLATE_GAPS];
	size_t ngaps;
};

void event_template_init(struct event_template *t);
void event_template_free(struct event_template *t);
/* As answer_read(), but for `skipped`, to the last bit. Of one stream: `f` and `counts` are the
 * same every time. */
int event_template_read(struct event_template *t, const struct answer_format *f,
	const struct dialect *counts, struct span event, struct span json, struct arena *a,
	struct answer_document *out, const char **why);

#endif
