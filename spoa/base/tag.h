/* Checks the type of an object that returns as a `void *` from a callback, a list or a mailbox.
 * The object has a `struct tag tag`. TAG() sets the tag when the object is made, TAGGED()
 * converts the pointer back, and TAG_CLEAR() invalidates the tag just before the object is freed
 * or reused. TAGGED() and TAG_CLEAR() abort the program if the object has another type or was
 * freed. Every build checks; a check is one comparison with a constant. Varnish's miniobj.h is
 * the model. */
#ifndef BASE_TAG_H
#define BASE_TAG_H

#include <stddef.h>
#include <stdint.h>

struct tag {
	uint32_t is; /* TAG_OF() of the type's name, or TAG_FREED; 0: not set */
};
#define TAG_FREED 0xdeadbeefU

/* FNV-1a (RFC 9923) of the first 24 characters of the literal `s`, which is repeated if it is
 * shorter. Compilers fold this into a constant. */
#define TAG_1(h, s, i)	(((h) ^ (uint8_t)(s)[(i) % sizeof(s)]) * 16777619U)
#define TAG_4(h, s, i)	TAG_1(TAG_1(TAG_1(TAG_1(h, s, (i)), s, (i) + 1), s, (i) + 2), s, (i) + 3)
#define TAG_12(h, s, i) TAG_4(TAG_4(TAG_4(h, s, (i)), s, (i) + 4), s, (i) + 8)
#define TAG_OF(s)	TAG_12(TAG_12(2166136261U, s, 0), s, 12)

/* One row for each TAG(), which the linker collects. The message of a failure can thus name the
 * type that was found. */
struct tag_row {
	uint32_t is;
	char type[28];
};

/* Prints the type that was found, or that the object was freed, and aborts. `t` NULL: no
 * object. */
_Noreturn void tag_failed(const struct tag *t, const char *expr, const char *file, int line)
	__attribute__((cold));

#define TAG(type, p)                                                                            \
	({                                                                                      \
		static const struct tag_row row_ __attribute__((section("tag_rows"), used)) = { \
			TAG_OF(#type), #type                                                    \
		};                                                                              \
		(p)->tag.is = row_.is;                                                          \
	})

#define TAGGED(type_, p)                                                                        \
	({                                                                                      \
		void *p_ = (p);                                                                 \
		const struct tag *t_ =                                                          \
			(const void *)((const char *)p_ + offsetof(struct type_, tag));         \
		if (__builtin_expect(!p_ || t_->is != TAG_OF(#type_), 0))                       \
			tag_failed(p_ ? t_ : NULL, "TAGGED(" #type_ ", " #p ")", __FILE__,      \
				__LINE__);                                                      \
		(struct type_ *)p_;                                                             \
	})

/* Returns the object that contains `member`, for a mailbox or a list that knows only the
 * member. */
#define TAGGED_OF(type, member, p)                                                             \
	TAGGED(type, (void *)((char *)(p)-offsetof(struct type, member)))

/* Ends the object's life: checks the tag, and makes every later check fail until the memory is
 * used again. The store is volatile, because compilers drop a store just before free(). */
#define TAG_CLEAR(type, p) \
	((void)(*(volatile uint32_t *)&TAGGED(type, (void *)(p))->tag.is = TAG_FREED))

#endif
