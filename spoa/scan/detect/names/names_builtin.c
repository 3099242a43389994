/* The compiled-in word lists. They are packed when the program is built
 * (cmd/makers/names_pack.c) and read in place. This file is separate because the packing program
 * is linked without the lists. */
#include <pthread.h>

#include "scan/detect/names/names.h"

extern const uint64_t names_packed[];

static struct names_table *builtin;

static void
open_builtin(void)
{
	builtin = names_unpack(names_packed);
}

const struct names_table *
names_builtin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, open_builtin);
	return builtin;
}
