/* make fidelity: prints the bytes that redaction removes from everyday documents and the values
 * that it leaves, in tables by kind of document and by entity.
 *
 *   fidelity [-s SEED] [-m MB] [-v N]     default: -s 1 -m 10
 *
 * -v prints N faults of each entity and way, with the text around them. The exit status is 1 if
 * a document was not restored byte for byte, or if two ways of cutting a stream differ. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/fidelity_run.h"

static void
row(const char *name, const struct fidelity_count *c, bool bytes)
{
	if (!c->values && !c->bytes)
		return;
	printf("%-26s %8zu", name, c->values);
	for (enum fidelity_way w = 0; w < WAYS; w++)
		printf(" %7zu %6.2f%% %5zu", c->missed[w],
			c->values ? 100 * (double)c->missed[w] / (double)c->values : 0,
			c->cut[w]);
	for (enum fidelity_way w = 0; bytes && w < WAYS; w++)
		printf(" %8.2f", 1024 * (double)c->over[w] / (double)c->bytes);
	putchar('\n');
}

static void
head(const char *name, bool bytes)
{
	printf("\n%-26s %8s", name, "values");
	for (enum fidelity_way w = 0; w < WAYS; w++)
		printf(" %15s %5s", fidelity_ways[w], "cut");
	for (enum fidelity_way w = 0; bytes && w < WAYS; w++)
		printf("  over %3.3s", fidelity_ways[w]);
	printf("\n");
}

int
main(int argc, char **argv)
{
	static struct fidelity_result r;
	uint64_t seed = 1;
	double mb = 10;
	unsigned most = 0;
	int c;

	while ((c = getopt(argc, argv, "s:m:v:")) != -1)
		if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 'm')
			mb = strtod(optarg, NULL);
		else if (c == 'v')
			most = (unsigned)strtoul(optarg, NULL, 10);
		else
			return 2;
	fidelity_run(seed, (size_t)(mb * 1e6), most, &r);
	head("kind of document", true);
	for (size_t i = 0; i < docs_kinds(); i++)
		row(docs_kind(i), &r.kind[i], true);
	head("entity", false);
	for (size_t i = 0; i < docs_entities(); i++)
		row(docs_entity(i), &r.entity[i], false);
	head("", true);
	row("all", &r.all, true);
	printf("\nmissed, their share, cut (a part stays); over: bytes per KB that belong to "
	       "no value\n"
	       "seed %llu: %zu documents of %zu kinds, %zu bytes, %zu values; restored byte "
	       "for byte: "
	       "%zu, not: %zu\nstreams that two ways of cutting redact differently: %zu; "
	       "values "
	       "that only the stream misses or cuts: %zu; responses that the guard redacts "
	       "differently: %zu of %zu\n",
		(unsigned long long)seed, r.documents, docs_kinds(), r.all.bytes, r.all.values,
		r.restored, r.not_restored, r.cuts_differ, r.stream_only_missed,
		r.guard_differs, 2 * r.documents);
	return r.not_restored || r.cuts_differ;
}
