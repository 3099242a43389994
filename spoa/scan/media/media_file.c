/* Reads a file whole: its kind, what it must not be, and its metadata by its kind. */
#include "scan/media/media_file.h"

#include "scan/media/kinds.h"

int
file_read(struct span bytes, struct span declared, struct arena *a, struct file_facts *out)
{
	(void)a;
	*out = (struct file_facts){ .kind = file_kind_of(bytes) };
	if (!file_kind_fits(out->kind, declared))
		out->flaw = FILE_NOT_AS_DECLARED;
	return 0;
}
