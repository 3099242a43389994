/* The output of a search: a line for each hit, its object as JSON, or counts. */
#include <string.h>

#include "cmd/search/search.h"

json_t *
search_object(const struct search_hit *h)
{
	/* from the completion: the final usage */
	static const char *const ends[] = { "target", "backend", "model", "status" };
	json_t *o = NULL;

	for (size_t i = 0; i < h->n; i++) {
		json_t *r = json_loadb(h->line[i].p, h->line[i].n, JSON_ALLOW_NUL, NULL), *v;
		const char *name;
		bool completion = !strcmp(json_text_in(r, "type"), "completion");
		if (!r)
			continue;
		if (!o) {
			o = r;
			continue;
		}
		json_object_foreach(r, name, v)
		{
			bool end = completion && span_find(span_str(name), ends,
							 COUNT_OF(ends)) < COUNT_OF(ends);
			if ((completion && !json_object_get(o, name)) || end)
				json_object_set(o, name, v);
		}
		if (completion) {
			json_object_set(o, "completed_at", json_object_get(r, "time"));
			json_object_set(o, "completion_seq", json_object_get(r, "seq"));
		}
		json_decref(r);
	}
	return o ? o : json_object();
}
