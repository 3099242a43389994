/* TLS to Redis, with OpenSSL under hiredis_ssl. hiredis' own contexts are not used, because they
 * check who signed a certificate, but not its name. */
#include "base/redis/redis_tls.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/err.h"

#if TG_REDIS_TLS

#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

const bool redis_tls_built = true;

enum { FILES = 3 };

struct redis_tls {
	const struct redis_options *o; /* borrowed */
	SSL_CTX *ctx;		       /* NULL: the files were not read yet */
	struct timespec read[FILES];   /* the files' times of modification */
	int verdict;		       /* OpenSSL's result for the last server's certificate */
};

/* Writes OpenSSL's last error. */
static int
redis_tls_refused(const char *what, struct buf *why)
{
	char text[160] = "not accepted";
	unsigned long e = ERR_peek_last_error();

	if (e)
		ERR_error_string_n(e, text, sizeof(text));
	buf_printf(why, "%s: %s", what, text);
	return ERR_IO;
}

/* Returns true if a file has changed since it was read. */
static bool
tls_files_changed(struct redis_tls *t)
{
	const char *const files[FILES] = { t->o->tls_ca, t->o->tls_cert, t->o->tls_key };
	bool any = false;

	for (int i = 0; i < FILES; i++) {
		struct stat st;
		if (!files[i][0] || stat(files[i], &st))
			continue;
		if (memcmp(&t->read[i], &st.st_mtim, sizeof(st.st_mtim)) != 0)
			any = true;
		t->read[i] = st.st_mtim;
	}
	return any;
}

/* Keeps the result, because hiredis' asynchronous API does not report why a handshake failed. */
static int
on_certificate(int ok, X509_STORE_CTX *chain)
{
	const SSL *ssl =
		X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct redis_tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!ok && t)
		t->verdict = X509_STORE_CTX_get_error(chain);
	return ok;
}

const char *
redis_tls_verdict(const struct redis_tls *t)
{
	return t->verdict != X509_V_OK ? X509_verify_cert_error_string(t->verdict) : NULL;
}

static int
read_files(struct redis_tls *t, struct buf *why)
{
	const struct redis_options *o = t->o;

	if (!tls_files_changed(t) && t->ctx)
		return 0;
	SSL_CTX_free(t->ctx);
	t->ctx = SSL_CTX_new(TLS_client_method());
	if (!t->ctx)
		return redis_tls_refused("TLS", why);
	int err = 0;
	SSL_CTX_set_app_data(t->ctx, t);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, on_certificate);
	if (!SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION))
		err = redis_tls_refused("TLS 1.2", why);
	else if (o->tls_ca[0] ? !SSL_CTX_load_verify_locations(t->ctx, o->tls_ca, NULL)
			      : !SSL_CTX_set_default_verify_paths(t->ctx))
		err = redis_tls_refused(
			o->tls_ca[0] ? o->tls_ca : "the system's certificate authorities", why);
	else if (o->tls_cert[0] && !SSL_CTX_use_certificate_chain_file(t->ctx, o->tls_cert))
		err = redis_tls_refused(o->tls_cert, why);
	else if (o->tls_key[0] &&
		 (!SSL_CTX_use_PrivateKey_file(t->ctx, o->tls_key, SSL_FILETYPE_PEM) ||
			 !SSL_CTX_check_private_key(t->ctx)))
		err = redis_tls_refused(o->tls_key, why);
	if (err) {
		SSL_CTX_free(t->ctx);
		t->ctx = NULL;
	}
	return err;
}

struct redis_tls *
redis_tls_new(const struct redis_options *o)
{
	struct redis_tls *t = calloc(1, sizeof(*t));

	if (t)
		t->o = o;
	return t;
}

void
redis_tls_free(struct redis_tls **tp)
{
	/* A connection of redis_dial() keeps the context. */
	if (*tp && (*tp)->ctx)
		SSL_CTX_set_app_data((*tp)->ctx, NULL);
	if (*tp)
		SSL_CTX_free((*tp)->ctx);
	free(*tp);
	*tp = NULL;
}

/* Sets the expected name. A name is compared with dNSNames, an address with iPAddresses (RFC
 * 6125). */
static bool
expect_host(SSL *ssl, const char *host)
{
	unsigned char bin[16];
	bool address =
		inet_pton(AF_INET, host, bin) == 1 || inet_pton(AF_INET6, host, bin) == 1;

	if (address)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

int
redis_tls_begin(struct redis_tls *t, redisContext *c, const char *host, struct buf *why)
{
	ERR_clear_error();
	int err = read_files(t, why);
	if (err)
		return err;
	t->verdict = X509_V_OK;
	if (t->o->tls_name[0])
		host = t->o->tls_name;
	SSL *ssl = SSL_new(t->ctx);
	if (!ssl || !expect_host(ssl, host)) {
		SSL_free(ssl);
		return redis_tls_refused(host, why);
	}
	if (redisInitiateSSL(c, ssl) != REDIS_OK) {
		long verdict = SSL_get_verify_result(ssl);
		buf_printf(why, "%s%s%s", c->errstr, verdict != X509_V_OK ? ": " : "",
			verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "");
		SSL_free(ssl);
		return ERR_IO;
	}
	return 0;
}

#else

const bool redis_tls_built = false;

struct redis_tls *
redis_tls_new(const struct redis_options *o UNUSED)
{
	return calloc(1, 1);
}

void
redis_tls_free(struct redis_tls **t)
{
	free(*t);
	*t = NULL;
}

const char *
redis_tls_verdict(const struct redis_tls *t UNUSED)
{
	return NULL;
}

int
redis_tls_begin(struct redis_tls *t UNUSED, redisContext *c UNUSED, const char *host UNUSED,
	struct buf *why)
{
	buf_str(why, REDIS_TLS_MISSING);
	return ERR_IO;
}

#endif
