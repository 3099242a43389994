/* The names by which a body identifies its conversation: an id of the provider or the caller,
 * or the key under which the provider caches the prompt's prefix. A response's id does not
 * count, because it changes with each turn. */
#include "scan/dialect/family.h"

/* clang-format off */
/* In order of priority: the first non-empty value of at most ID_MAX bytes counts. `holds`: a
 * substring that the value must contain; NULL: none. */
static const struct { const char *name; const char *holds; } names[] = {
	/* OpenAI responses: an id, or an object with `id` */
	{ "conversation",             NULL },
	{ "conversation.id",          NULL },
	{ "conversation_id",          NULL },      /* Cohere, Mistral */
	{ "metadata.conversation_id", NULL },
	{ "metadata.session_id",      NULL },
	{ "metadata.thread_id",       NULL },
	{ "metadata.user_id",         "session" }, /* Claude Code: "user_…_session_…" */
	{ "session_id",               NULL },      /* OpenRouter */
	{ "prompt_cache_key",         NULL },
	{ "cachedContent",            NULL },      /* Gemini */
	{ "cached_content",           NULL },
};
/* clang-format on */

enum { ID_MAX = 256 };

struct span
dialect_conversation(const struct body *b)
{
	for (size_t i = 0; i < COUNT_OF(names) && b->marks.nrequests <= 1; i++) {
		size_t k = 0;
		while (k < b->nparams && !(b->params[k].kind == PARAM_STRING &&
						 span_is(b->params[k].name, names[i].name)))
			k++;
		if (k == b->nparams)
			continue;
		struct span id = b->params[k].text;
		if (id.n == 0 || id.n > ID_MAX)
			continue;
		if (!names[i].holds ||
			memmem(id.p, id.n, names[i].holds, strlen(names[i].holds)))
			return id;
	}
	return (struct span){ NULL, 0 };
}
