/* What a `void *` that comes back from a callback points to. An object that is handed out as
 * one has a `struct tag tag`, set by TAG() when it is made; TAGGED() turns the pointer back,
 * and in sanitizer builds makes sure that it is of that type. Elsewhere a tag takes no room
 * and no time. (Varnish's miniobj.h is the model.) */
#ifndef BASE_TAG_H
#define BASE_TAG_H

#include <stddef.h>

#ifdef TG_SANITIZE
#include <string.h>

#include "base/err.h"

struct tag {
	const char *is; /* the type's name */
};
#define TAG(type, p) ((void)((p)->tag.is = #type))

static inline void *
tag_checked(void *p, size_t at, const char *type)
{
	const struct tag *t = (const void *)((const char *)p + at);

	INVARIANT(p && t->is && !strcmp(t->is, type));
	return p;
}
#define TAGGED(type, p) ((struct type *)tag_checked((p), offsetof(struct type, tag), #type))
#else
struct tag {
};
#define TAG(type, p)	((void)(p)->tag)
#define TAGGED(type, p) ((void)offsetof(struct type, tag), (struct type *)(p))
#endif

/* The object whose `member` this is, which is all that a mailbox or a list knows. */
#define TAGGED_OF(type, member, p)                                                             \
	TAGGED(type, (void *)((char *)(p)-offsetof(struct type, member)))

#endif
