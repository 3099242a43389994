/* Shell commands and the scripts in them. A command that only writes files sends nothing, and a
 * list of one word is no command line. */
#include <stdint.h>
#include <stdlib.h>

#include "answer/command.h"
#include "answer/script.h"
#include "support/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = guard_dup(data, size);
	struct span text = span_of(copy, size), words[4], rest = text;
	size_t n = 0;

	command_stays(text);
	command_sends(text);
	python_stays(text);
	perl_stays(text);
	sed_stays(text);
	while (n < COUNT_OF(words) && rest.n)
		words[n++] = span_next(&rest, '\n');
	if (n && command_list(SPAN_LIT("command"), words, 1) != LIST_OF_TEXTS)
		abort();
	command_list(SPAN_LIT("command"), words, n);
	guard_free(copy, size);
	return 0;
}
