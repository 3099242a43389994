/* Reads the events of a stream faster. Most events differ from the previous one only in a text,
 * a number, a time or padding. If all bytes outside these variable parts (gaps) are equal, the
 * previous result is reused with shifted offsets, and the event is not parsed. owner: worker,
 * one per stream. */
#ifndef ANSWER_EVENT_TEMPLATE_H
#define ANSWER_EVENT_TEMPLATE_H

#include "answer/document.h"
#include "base/buf.h"
#include "base/caps.h"

enum {
	TEMPLATE_TEXTS = 4, /* texts of an event that can be kept */
	TEMPLATE_GAPS = TEMPLATE_TEXTS + ANSWER_SKIPPED,
};

/* The last event that was parsed. At most CAP_EVENT_TEMPLATE bytes are kept. */
struct event_template {
	struct buf event;	  /* its type and its data; empty: no event is kept */
	struct span type, json;	  /* views of `event` */
	struct answer_document d; /* the result of its parse, with views of `event` */
	struct answer_text texts[TEMPLATE_TEXTS];
	/* The values that may differ, in the order of the bytes. */
	struct gap {
		enum gap_kind { GAP_TEXT, GAP_WORD, GAP_NUMBER } kind;
		struct answer_range at;
		size_t text; /* GAP_TEXT: index in `texts` */
	} gaps[TEMPLATE_GAPS];
	size_t ngaps;
};

void event_template_init(struct event_template *t);
void event_template_free(struct event_template *t);
/* Reads an event with exactly the result of answer_read(), except for `skipped`. `f` and
 * `counts` must be the same in all calls with the same template. */
int event_template_read(struct event_template *t, const struct answer_format *f,
	const struct dialect *counts, struct span event, struct span json, struct arena *a,
	struct answer_document *out, const char **why);

#endif
