/* Prints the findings of the detectors in a few lines. Compare two builds with it, or one build
 * with the stored lines in tests/data/findings.txt (tests/unit/test_same_findings does so).
 *
 *   findings [-v] [FILE…]    the generator's texts and every rule's examples, or files: in a
 *                            .jsonl file each string of a line is a text, other files are one
 * text
 *
 * A line has a source, its number of texts, bytes and findings, and a hash over all of them.
 * The hash covers entity, place, score and flags by a scan and by a stream of uneven pieces,
 * and the injection score. With -v there is one line for each finding. Two programs that print
 * the same lines find the same values. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/findings_run.h"

static void
one_text(const char *key, json_t *v, struct findings_run *run)
{
	const char *name;
	json_t *of;
	size_t i;

	(void)key;
	if (json_is_string(v))
		findings_add(run, (struct span){ json_string_value(v), json_string_length(v) });
	else if (json_is_object(v))
		json_object_foreach(v, name, of)
			one_text(name, of, run);
	else if (json_is_array(v))
		json_array_foreach(v, i, of)
			one_text(NULL, of, run);
}

static void
one_file(struct findings_run *run, const char *path)
{
	FILE *f = fopen(path, "r");
	bool lines = strlen(path) > 6 && !strcmp(path + strlen(path) - 6, ".jsonl");
	size_t n = 0, room = 0;
	char *text = NULL;
	ssize_t got;

	if (!f) {
		perror(path);
		exit(2);
	}
	findings_begin(run, path);
	while (lines && (got = getline(&text, &room, f)) > 0) {
		json_t *row = json_loadb(text, (size_t)got, JSON_ALLOW_NUL, NULL);

		one_text(NULL, row, run);
		json_decref(row);
	}
	while (!lines) {
		if (n == room && !(text = realloc(text, room = room ? 2 * room : 1 << 16)))
			abort();
		size_t more = fread(text + n, 1, room - n, f);
		if (!more)
			break;
		n += more;
	}
	if (!lines)
		findings_add(run, (struct span){ text, n });
	free(text);
	fclose(f);
	findings_end(run, stdout);
}

int
main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	struct findings_run *run = findings_new(verbose ? stdout : NULL);

	argv += verbose;
	if (!argv[1])
		findings_own(run, stdout);
	for (int i = 1; argv[i]; i++)
		one_file(run, argv[i]);
	findings_free(run);
	return 0;
}
