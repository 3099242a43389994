/* Reads the usage of a whole response or of an event, as the relay does. */
#include "support/usage_fix.h"

const struct dialect *
dialect(const char *name)
{
	return dialect_find(span_str(name));
}

int
whole_usage(const struct dialect *d, struct span json, struct usage *u)
{
	struct answer_document doc;
	struct arena a;
	const char *why;

	arena_init(&a, 0, false);
	int err = answer_read(&answer_any, d, SPAN_LIT(""), json, &a, &doc, &why);
	usage_whole(err ? NULL : doc.usage, u);
	arena_reset(&a);
	return err ? err : u->known ? 0 : ERR_NOTFOUND;
}

void
event_usage(const struct dialect *d, struct span type, struct span json, struct usage *u)
{
	struct answer_document doc;
	struct arena a;
	const char *why;

	arena_init(&a, 0, false);
	int err = answer_read(&answer_any, d, type, json, &a, &doc, &why);
	if (err == ERR_DUPLICATE)
		usage_spoil(d, u);
	else if (!err)
		usage_event(doc.usage, type, u);
	arena_reset(&a);
}

void
event(const char *d, const char *type, const char *data, struct usage *u)
{
	event_usage(dialect(d), span_str(type), span_str(data), u);
}
