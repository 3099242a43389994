/* check --haproxy: certificates that expire soon, wherever HAProxy finds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fake_clock.h"

#include "base/codec/cert.h"
#include "operator/edge/judge_private.h"
#include "support/temp_dir.h"

#define DAY 86400ll

static EVP_PKEY *signer;

/* Writes a PEM with one certificate for each end, in seconds from now; 0: no further one. */
static void
make_pem(const char *name, int64_t first, int64_t second)
{
	const int64_t ends[] = { first, second };
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	PEM_write_PrivateKey(f, signer, NULL, NULL, 0, NULL, NULL); /* as HAProxy expects it */
	for (size_t i = 0; i < 2 && ends[i]; i++) {
		X509 *x = X509_new();
		ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
		ASN1_TIME_set(X509_getm_notBefore(x), fake_wall / 1000000000 - 90 * DAY);
		ASN1_TIME_set(X509_getm_notAfter(x), fake_wall / 1000000000 + ends[i]);
		X509_set_pubkey(x, signer);
		assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
		PEM_write_X509(f, x);
		X509_free(x);
	}
	fclose(f);
}

/* The configuration, with @ for the folder, and the remarks by file, in order. */
static const struct {
	const char *name, *text, *want;
} rows[] = {
	{ "two weeks and more are no remark", "frontend f\n bind :1 ssl crt @/far.pem\n", "" },
	{ "less is one", "frontend f\n bind :1 ssl crt @/near.pem\n", "near 13" },
	{ "its end is another", "frontend f\n bind :1 ssl crt @/gone.pem\n", "gone" },
	{ "an intermediate ends first", "frontend f\n bind :1 ssl crt @/chain.pem\n",
		"chain 2" },
	{ "each crt of a line",
		"frontend f\n bind :1 ssl crt @/near.pem alpn h2 crt @/gone.pem\n",
		"near 13 gone" },
	{ "a folder's files, those of other kinds aside", "frontend f\n bind :1 ssl crt @/d\n",
		"a.pem 1" },
	{ "a list, a file a line", "frontend f\n bind :1 ssl crt-list @/list\n",
		"near 13 gone" },
	{ "below crt-base", "global\n crt-base @\nlisten f\n bind :1 ssl crt near.pem\n",
		"near 13" },
	{ "one that HAProxy shows a server", "backend b\n server a :1 ssl crt @/near.pem\n",
		"near 13" },
	{ "for all servers", "defaults\n default-server ssl crt @/near.pem\nbackend b\n",
		"near 13" },
	{ "a store of its own",
		"crt-store s\n crt-base @\n load crt near.pem alias n\nfrontend "
		"f\n bind :1 ssl crt \"@s/n\"\n",
		"near 13" },
	{ "a name for several kinds of key", "frontend f\n bind :1 ssl crt @/both\n",
		"both.ecdsa 3" },
	{ "one that is not there is HAProxy's to refuse",
		"frontend f\n bind :1 ssl crt @/none.pem\n", "" },
	{ "one that is none too", "frontend f\n bind :1 ssl crt @/list\n", "" },
};

static void
judged(const char *text, struct judged *out)
{
	struct haproxy h;
	struct buf whole;

	buf_init(&whole, 0);
	for (const char *p = text; *p; p++)
		if (*p == '@' && p[1] != 's')
			buf_str(&whole, dir);
		else
			buf_putc(&whole, *p);
	haproxy_init(&h);
	assert_int_equal(haproxy_read_text(&h, "h.cfg", buf_view(&whole)), 0);
	haproxy_resolve(&h);
	judge(&h, NULL, NULL, out);
	buf_putc(&out->advice, 0);
	haproxy_free(&h);
	buf_free(&whole);
}

/* Writes "NAME DAYS" for each remark of the rule. */
static void
summary(const char *advice, struct buf *out)
{
	static const char rule[] = ": certificates: ";

	for (const char *p = advice; (p = strstr(p, rule)) != NULL;) {
		const char *end = strchr(p, '\n'), *colon = strstr(p + sizeof(rule), ": ");
		const char *slash = colon, *in = strstr(p, ", in ");
		while (slash[-1] != '/')
			slash--;
		size_t n = (size_t)(colon - slash);
		if (n > 4 && !strncmp(slash + n - 4, ".pem", 4) && slash[0] != 'a')
			n -= 4;
		buf_printf(out, "%s%.*s", out->n ? " " : "", (int)n, slash);
		if (in && in < end)
			buf_printf(out, " %d", atoi(in + 5));
		p = end;
	}
	buf_putc(out, 0);
}

static void
certificates_near_expiry_are_named(void **state)
{
	(void)state;
	make_pem("far.pem", 14 * DAY, 0);
	make_pem("near.pem", 14 * DAY - 1, 0);
	make_pem("gone.pem", -1, 0);
	make_pem("chain.pem", 90 * DAY, 2 * DAY + 1);
	make_pem("both.rsa", 90 * DAY, 0);
	make_pem("both.ecdsa", 3 * DAY, 0);
	assert_int_equal(mkdir(path("d"), 0755), 0);
	make_pem("d/a.pem", DAY, 0);
	make_pem("d/a.key", DAY, 0);
	make_pem("d/.hidden", DAY, 0);
	struct buf list;
	buf_init(&list, 0);
	buf_printf(&list,
		"# ours\n%s/near.pem [alpn h2] a.example\n\n%s/gone.pem\n%s/far.pem !*\n", dir,
		dir, dir);
	buf_putc(&list, 0);
	put("list", list.p);
	buf_free(&list);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct judged j;
		struct buf got;
		buf_init(&got, 0);
		judged(rows[i].text, &j);
		summary(j.advice.p, &got);
		if (strcmp(got.p, rows[i].want))
			fail_msg("%s: %s, not %s\n%s", rows[i].name, got.p, rows[i].want,
				j.advice.p);
		buf_free(&got);
		judged_free(&j);
	}
}

static void
encrypted_block_asks_for_no_passphrase(void **state)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
				  "DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
				  "AAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n";
	int64_t end_s;

	(void)state;
	assert_false(cert_pem_end(span_str(pem), &end_s));
	assert_false(cert_pem_end(SPAN_LIT(""), &end_s));
}

static int
begin(void **state)
{
	signer = EVP_EC_gen("P-256");
	return signer ? temp_dir_make(state) : -1;
}

static int
end(void **state)
{
	EVP_PKEY_free(signer);
	return temp_dir_remove(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_near_expiry_are_named),
		cmocka_unit_test(encrypted_block_asks_for_no_passphrase),
	};

	return cmocka_run_group_tests_name("judge_certificate", tests, begin, end);
}
