/* The message for a tag that does not match (base/tag.h). */
#include "base/tag.h"

#include <stdio.h>

#include "base/err.h"

/* Begin and end of the section "tag_rows"; NULL in a program without any TAG(). */
extern const struct tag_row rows_begin[] __asm__("__start_tag_rows") __attribute__((weak));
extern const struct tag_row rows_end[] __asm__("__stop_tag_rows") __attribute__((weak));

static const char *
tag_name_found(uint32_t is)
{
	for (const struct tag_row *r = rows_begin; r < rows_end; r++)
		if (r->is == is)
			return r->type;
	return is == TAG_FREED ? "freed object" : is ? "unknown object" : "object without a tag";
}

void
tag_failed(const struct tag *t, const char *expr, const char *file, int line)
{
	char text[256];

	snprintf(text, sizeof(text), "%s found %s (%08x)", expr, t ? tag_name_found(t->is) : "NULL",
		t ? t->is : 0);
	invariant_failed(text, file, line);
}
