/* Scans texts whole and as streams, scores them, and hashes all findings of a source. */
#include <stdlib.h>
#include <string.h>

#include "support/findings_run.h"

enum { FINDINGS_TEXT = 6000, FINDINGS_WHOLE = 1 << 20, FINDINGS_SCORED = 1 << 18 };

static void
findings_hash(struct findings_run *run, const void *p, size_t n)
{
	run->hash = fnv64_bytes(run->hash, p, n);
}

static void
findings_one(struct findings_run *run, const char *how, const struct finding *f)
{
	char line[256];
	const char *name = detect_entity_name(run->rules, f->entity);
	int n = snprintf(line, sizeof(line), "%s %s %zu %zu %.4f %x\n", how, name,
		(size_t)f->start, (size_t)f->end, (double)f->score, (unsigned)f->flags);

	findings_hash(run, line, (size_t)n);
	run->findings++;
	if (run->verbose)
		fprintf(run->verbose, "%s:%zu: %s", run->source, run->texts, line);
}

static int
findings_piece(void *arg, const struct stream_piece *p)
{
	struct findings_run *run = arg;

	if (p->kind == PIECE_FINDING && !p->more)
		findings_one(run, "stream", &p->finding);
	return 0;
}

void
findings_add(struct findings_run *run, struct span text)
{
	struct findings found = { 0 };
	uint64_t state = 7;
	int err = detect_scan(run->rules, run->scratch, text, NULL, &run->arena, &found);

	findings_hash(run, &err, sizeof(err));
	for (size_t i = 0; !err && i < found.n; i++)
		findings_one(run, "scan", &found.v[i]);
	arena_reset(&run->arena);
	struct detect_stream *s = detect_stream_new(run->rules, NULL);
	if (!s)
		abort();
	err = 0;
	for (size_t at = 0; !err && at < text.n && at < FINDINGS_WHOLE;) {
		size_t n = 1 + text_random(&state) % 200;

		err = detect_stream_feed(
			s, run->scratch, span_cut(text, at, at + n), findings_piece, run);
		at += n;
	}
	if (!err)
		err = detect_stream_finish(s, run->scratch, findings_piece, run);
	findings_hash(run, &err, sizeof(err));
	detect_stream_free(&s);
	if (text.n <= FINDINGS_SCORED) {
		char line[64];
		double score = inject_score(run->inject, text, INJECT_USER, 0).score;

		findings_hash(run, line, (size_t)snprintf(line, sizeof(line), "%.6f", score));
	}
	run->texts++;
	run->bytes += text.n;
}

void
findings_begin(struct findings_run *run, const char *source)
{
	run->source = source;
	run->texts = run->bytes = run->findings = 0;
	run->hash = FNV64_BASIS;
}

void
findings_end(struct findings_run *run, FILE *to)
{
	fprintf(to, "%s: %zu texts, %zu bytes, %zu findings, %016llx\n", run->source,
		run->texts, run->bytes, run->findings, (unsigned long long)run->hash);
}

void
findings_own(struct findings_run *run, FILE *to)
{
	static char text[FINDINGS_TEXT];

	for (size_t k = 0; k < text_kinds_count + text_hostile_count; k++) {
		const struct text_kind *kind = k < text_kinds_count
						       ? &text_kinds[k]
						       : &text_hostile[k - text_kinds_count];

		findings_begin(run, kind->name);
		kind->fill(kind, text, sizeof(text));
		findings_add(run, (struct span){ text, sizeof(text) });
		findings_end(run, to);
	}
	findings_begin(run, "the rules' examples");
	for (size_t e = 0; e < run->rules->nentities; e++)
		for (size_t i = 0; i < run->rules->entities[e].nexamples; i++)
			findings_add(run, run->rules->entities[e].examples[i].text);
	findings_end(run, to);
}

struct findings_run *
findings_new(FILE *verbose)
{
	struct findings_run *run = calloc(1, sizeof(*run));
	struct buf errors = { 0 };

	if (!run)
		abort();
	run->verbose = verbose;
	run->rules = detect_load(NULL, &errors);
	run->scratch = run->rules ? detect_scratch_new(run->rules) : NULL;
	arena_init(&run->arena, 0, false);
	arena_init(&run->model, 0, false);
	run->inject = inject_load(&run->model, NULL, &errors);
	if (!run->scratch || !run->inject)
		abort();
	return run;
}

void
findings_free(struct findings_run *run)
{
	detect_scratch_free(&run->scratch);
	detect_free(&run->rules);
	arena_reset(&run->arena);
	arena_reset(&run->model);
	free(run);
}
