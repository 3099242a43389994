/* The names by which a body says to which conversation it belongs: an id of the provider's or
 * the caller's own, or the key under which the provider caches its beginning. A response's id
 * is none: it changes with each turn. */
#include "scan/dialect/family.h"

/* clang-format off */
/* In this order: the first that is given. */
static const struct { const char *name; const char *holds; } names[] = {
	{ "conversation",             NULL },      /* OpenAI responses: an id, or {id} */
	{ "conversation.id",          NULL },
	{ "conversation_id",          NULL },      /* Cohere, Mistral */
	{ "metadata.conversation_id", NULL },
	{ "metadata.session_id",      NULL },
	{ "metadata.thread_id",       NULL },
	{ "metadata.user_id",         "session" }, /* Claude Code: user_…_session_… */
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
