/* Collects the candidates of a scan, at most CANDIDATES_MAX. */
#include "scan/detect/rules/scratch.h"

#include "base/caps.h"
#include "base/err.h"
#include "base/mem.h"

enum { CANDIDATES_MAX = 2 * CAP_FINDINGS };

int
scratch_keep(struct detect_scratch *s, struct finding f)
{
	if (s->n >= CANDIDATES_MAX && s->n == s->room)
		return ERR_LIMIT;
	if (!mem_room(&s->v, &s->room, s->n + 1, sizeof(*s->v)))
		return ERR_NOMEM;
	if (s->rules->entities[f.entity].own)
		f.flags |= FINDING_OWN;
	s->v[s->n++] = f;
	s->found_one = true;
	return s->first_only ? ERR_FULL : 0;
}
