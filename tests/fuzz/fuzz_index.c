/* Any bytes as an index beside a valid segment: opened, and asked for each term and hit.
 * Nothing outside of it may be read, and its entries must lie within it. If the first byte is
 * even, the input is the file itself. If it is odd, the input is laid over a valid file: place,
 * length and bytes. The sums are then corrected, as an attacker would. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "record/audit/record_terms.h"
#include "record/index/private.h"
#include "support/chain_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chain_build chain;
static struct index_segment segment;
static struct index *sound;
static char dir[64], file[128];
static const char name[] = "gw-1-00000001-0000000000000001.jsonl";

static void
build_once(void)
{
	char path[128];
	struct buf why;

	if (sound)
		return;
	chain_build_init(&chain, "gw-1");
	chain_build_boot(&chain);
	for (int i = 0; i < 40; i++)
		chain_build_add(&chain, 3);
	strcpy(dir, "/tmp/tg-fuzz-index.XXXXXX");
	INVARIANT(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	INVARIANT(write(fd, buf_view(&chain.out).p, chain.out.n) == (ssize_t)chain.out.n);
	INVARIANT(index_segment_open(&segment, fd, name) == 0);
	buf_init(&why, 4096);
	sound = index_make(&segment, &record_index_terms, NULL, &why);
	INVARIANT(sound);
	snprintf(file, sizeof(file), "%s/gw-1-00000001-0000000000000001.idx", dir);
	buf_free(&why);
	unlink(path);
}

/* Lays (offset 4, bytes …) over a copy and corrects the sums. */
static void
forge(unsigned char *image, size_t n, struct span over)
{
	struct header h;
	uint32_t at;

	while (over.n > 5) {
		memcpy(&at, over.p, 4);
		size_t len = 1 + (unsigned char)over.p[4] % 16;
		struct span bytes = span_cut(over, 5, 5 + len);
		at %= (uint32_t)n;
		if (at + bytes.n <= n)
			memcpy(image + at, bytes.p, bytes.n);
		over = span_cut(over, 5 + bytes.n, over.n);
	}
	memcpy(&h, image, sizeof(h));
	if (h.sums < sizeof(h) || h.sums > n || h.bytes != n ||
		n - h.sums < blocks_of(&h) * SUM_BYTES)
		return;
	for (size_t i = 0; i < blocks_of(&h); i++) {
		size_t from = sizeof(h) + i * BLOCK_BYTES;
		index_sum(image + from,
			h.sums - from < BLOCK_BYTES ? (size_t)(h.sums - from) : BLOCK_BYTES,
			image + h.sums + i * SUM_BYTES);
	}
	index_header_sum(&h, image + h.sums, h.sum);
	memcpy(image, &h, sizeof(h));
}

static void
ask(struct index *ix)
{
	struct index_facts facts;
	struct index_hit hit;
	struct buf line;

	index_facts(ix, &facts);
	uint64_t *bits = calloc(facts.hits / 64u + 2, 8);
	INVARIANT(bits);
	bits[facts.hits / 64u + 1] = 0x5a5a;
	for (uint64_t seq = 1; seq < 130; seq++) {
		char id[32];
		uint32_t at = 0;
		snprintf(id, sizeof(id), "id-%d", (int)seq);
		uint64_t term = record_term_hash(RT_ID, span_str(id));
		index_mark(ix, term, bits);
		if (index_find(ix, term, &at))
			INVARIANT(at < facts.hits);
	}
	index_mark(ix, record_term_hash(RT_DECISION, SPAN_LIT("permit")), bits);
	index_mark(ix, INDEX_TERM_OPEN, bits);
	INVARIANT(bits[facts.hits / 64u + 1] == 0x5a5a);
	buf_init(&line, 1 << 20);
	for (uint32_t i = 0; i < facts.hits && i < 1000 && index_hit(ix, i, &hit); i++) {
		INVARIANT(hit.n >= 1 && hit.n <= COUNT_OF(hit.offset));
		index_line(&segment, hit.offset[hit.n - 1], &line);
		buf_clear(&line);
	}
	INVARIANT(!index_hit(ix, facts.hits, &hit));
	buf_free(&line);
	free(bits);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf why;

	build_once();
	if (!size)
		return 0;
	struct span input = span_of(data + 1, size - 1);
	unsigned char *image = malloc((size_t)sound->h.bytes);
	INVARIANT(image);
	if (data[0] & 1) {
		memcpy(image, sound->image, (size_t)sound->h.bytes);
		forge(image, (size_t)sound->h.bytes, input);
		input = span_of(image, (size_t)sound->h.bytes);
	}
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	INVARIANT(fd >= 0 && write(fd, input.p, input.n) == (ssize_t)input.n);
	close(fd);
	buf_init(&why, 4096);
	struct index *ix = index_open(dir, &segment, &record_index_terms, &why);
	INVARIANT(ix || why.n);
	if (ix)
		ask(ix);
	index_free(&ix);
	buf_free(&why);
	free(image);
	unlink(file);
	return 0;
}
