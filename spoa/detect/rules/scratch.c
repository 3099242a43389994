/* The candidates of a scan. */
#include "detect/rules/scratch.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"

enum { CANDIDATES_MAX = 2 * CAP_FINDINGS };

int
scratch_keep(struct detect_scratch *s, struct finding f)
{
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		if (s->n >= CANDIDATES_MAX)
			return ERR_LIMIT;
		struct finding *v = realloc(s->v, room * sizeof(*v));
		if (!v)
			return ERR_NOMEM;
		s->v = v;
		s->room = room;
	}
	if (s->rules->entities[f.entity].own)
		f.flags |= FINDING_OWN;
	s->v[s->n++] = f;
	return 0;
}
