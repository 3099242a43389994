/* The cost of sealing: texts, the first text of a holder, the lookup of a share, with SHA-256
 * alone for comparison. CPU of this thread; user instructions if the kernel counts them. Prints
 * the figures, and none makes it fail. */
#include <linux/perf_event.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "record/seal/private.h"

enum { ROUNDS = 7 };

static struct seals *seals;
static struct shares *shares;
static struct texts *texts;
static struct sealer *sealer;
static char text[200 << 10];
static struct auditor to;
static int counter = -1;

static void
seal_one(size_t n, enum seal_kind kind, struct span holder)
{
	struct text_part *parts = NULL, *next;
	struct sealed said;
	struct buf record;
	int err;

	buf_init(&record, 0);
	struct sealing *t = seal_begin(
		sealer, holder, 0, SPAN_LIT("0190a5b7c3d2e4f6"), kind, 0, &record, &err);
	INVARIANT(t && seal_add(t, span_of(text, n), &parts) == 0 &&
		  seal_end(t, false, &parts, &said) == 0);
	seal_drop(&t);
	buf_free(&record);
	for (; parts; parts = next) {
		next = parts->next;
		free(parts);
	}
}

static void
pair_of_2_kb(unsigned n)
{
	while (n--) {
		seal_one(2048, SEAL_PROMPT, SPAN_LIT("ann@example.com"));
		seal_one(2048, SEAL_RESPONSE, SPAN_LIT("ann@example.com"));
	}
}

static void
one_of_200_kb(unsigned n)
{
	while (n--)
		seal_one(sizeof(text), SEAL_PROMPT, SPAN_LIT("ann@example.com"));
}

static void
first_of_a_holder(unsigned n)
{
	while (n--) {
		sealer_forget(sealer, SPAN_LIT("ann@example.com"));
		seal_one(16, SEAL_PROMPT, SPAN_LIT("ann@example.com"));
	}
}

static void
seal_a_share(unsigned n)
{
	unsigned char enc[HPKE_KEY_BYTES], out[SHARE_BYTES + HPKE_TAG_BYTES];

	while (n--)
		INVARIANT(hpke_seal(to.key, SPAN_LIT("bench"), SPAN_LIT("gw-1"),
				  span_of(text, SHARE_BYTES), enc, out) == 0);
}

static void
look_up(unsigned n)
{
	char holder[32];
	struct share b;

	while (n--) {
		size_t len =
			(size_t)snprintf(holder, sizeof(holder), "h%u@example.com", n % 100000);
		INVARIANT(shares_get(shares, span_of(holder, len), false, &b) == 0);
	}
}

static void
hash_4_kb(unsigned n)
{
	unsigned char out[SHA256_BYTES];

	while (n--)
		sha256(span_of(text, 4096), out);
}

static uint64_t
instructions(void)
{
	uint64_t n = 0;

	return counter >= 0 && read(counter, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void
row(const char *what, void (*run)(unsigned n), unsigned n, const char *aim)
{
	double least = 1e18;
	uint64_t count = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = clock_cpu_ns(), had = instructions();
		run(n);
		double us = (double)(clock_cpu_ns() - from) / 1e3 / n;
		count = (instructions() - had) / n;
		least = us < least ? us : least;
	}
	printf("%-40s %9.3f us", what, least);
	if (count)
		printf(" %9llu instructions", (unsigned long long)count);
	printf("   %s\n", aim);
}

int
main(void)
{
	char dir[] = "/tmp/tg-bench-seal.XXXXXX", path[3][64], command[80];
	struct buf why, lost_why;
	struct share b;
	uint64_t lost;
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1 };
	unsigned char key[32], public[32];
	char base64[64], holder[32];

	/* The freed parts are not at the end of a daemon's heap, which would be returned to the
	 * kernel. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	counter = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	INVARIANT(mkdtemp(dir));
	snprintf(path[0], sizeof(path[0]), "%s/shares", dir);
	snprintf(path[1], sizeof(path[1]), "%s/head", dir);
	snprintf(path[2], sizeof(path[2]), "%s/journal", dir);
	buf_init(&why, 4096);
	buf_init(&lost_why, 4096);
	randombytes_buf(text, sizeof(text));
	randombytes_buf(key, sizeof(key));
	crypto_scalarmult_base(public, key);
	sodium_bin2base64(base64, sizeof(base64), public, 32, sodium_base64_VARIANT_ORIGINAL);
	INVARIANT(auditor_read(SPAN_LIT("one"), span_str(base64), &to, &why) == 0);
	seals = seals_start("gw-1", &to, 1, &why);
	shares = shares_open(path[0], path[1], "gw-1", &lost, &lost_why, &why);
	texts = texts_open(path[2], "gw-1", &why);
	sealer = sealer_new(seals, shares, texts, "gw-1", 0);
	INVARIANT(seals && shares && texts && sealer);
	row("a prompt and an answer of 2 KB", pair_of_2_kb, 10000,
		"aim: 10 us, 40000 instructions");
	row("4 KB by SHA-256 alone", hash_4_kb, 10000, "");
	row("200 KB", one_of_200_kb, 300, "aim: 150 us");
	usleep(200000); /* so that some are made */
	row("a holder's first text, made ahead", first_of_a_holder, CAP_SEALS_AHEAD / 16,
		"the other thread makes them");
	row("a share sealed to an auditor", seal_a_share, 500, "");
	for (unsigned i = 0; i < 100000; i++) {
		size_t n = (size_t)snprintf(holder, sizeof(holder), "h%u@example.com", i);
		INVARIANT(shares_get(shares, span_of(holder, n), true, &b) == 0);
	}
	row("a share of 100000, with its name printed", look_up, 1000000, "");
	sealer_free(&sealer);
	seals_stop(&seals);
	texts_close(&texts);
	shares_close(&shares);
	buf_free(&why);
	buf_free(&lost_why);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}
