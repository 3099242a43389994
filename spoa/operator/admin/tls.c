/* Certificates of admin.tls: ours, chosen by a callback at each handshake so that new files
 * need no restart; and those of clients, verified against their authorities. */
#include "operator/admin/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/scoped.h"

enum {
	PEM_MAX = 1 << 20,
	CHAIN = 8,
	FILES = 3,
	/* replaced certificates that are kept, because a handshake may still use one */
	KEPT = 4
};

/* A certificate chain with its key. */
struct pair {
	gnutls_pcert_st chain[CHAIN];
	unsigned n;
	gnutls_privkey_t key;
	int64_t end_s; /* Unix seconds; end of the first certificate in the chain */
};

/* owner: the thread of the TLS door */
struct tls {
	/* certificate, key, authorities of clients; the last may be NULL */
	const char *file[FILES];
	struct stat seen[FILES];
	struct pair pair[KEPT];
	/* index of the pair in use */
	unsigned now;
	gnutls_x509_trust_list_t clients; /* NULL: clients need no certificate */
	/* the authorities at the start, whose names are sent to clients; NULL: none */
	char *trust;
	_Atomic int64_t *end_s;
};

static struct tls *in_force; /* the callback of GnuTLS has no argument for it */

/* ---- files ---- */

static void
pair_free(struct pair *p)
{
	for (unsigned i = 0; i < p->n; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	if (p->key)
		gnutls_privkey_deinit(p->key);
	memset(p, 0, sizeof(*p));
}

static bool
read_pem(const char *file, bool secret, gnutls_datum_t *out, struct buf *why)
{
	struct stat st;

	SCOPED_BUF(b, PEM_MAX);
	if (secret && stat(file, &st) == 0 &&
		keyfile_wide(file, st.st_mode, "a private key", why))
		return false;
	if (!buf_regular_file(&b, file))
		buf_printf(why, "%s: %s", file, strerror(errno));
	else if (buf_failed(&b))
		buf_printf(why, "%s: the file is larger than %d bytes", file, PEM_MAX);
	else if ((out->data = gnutls_malloc(b.n + 1)) != NULL) {
		out->size = (unsigned)b.n;
		memcpy(out->data, buf_view(&b).p ? buf_view(&b).p : "", b.n);
	}
	if (b.n)
		explicit_bzero((char *)(uintptr_t)buf_view(&b).p, b.n);
	return out->data != NULL;
}

/* Returns true if the key belongs to the certificate. */
static bool
key_belongs_to_certificate(const struct pair *p)
{
	gnutls_pubkey_t mine = NULL;
	unsigned char a[64], b[64];
	size_t na = sizeof(a), nb = sizeof(b);

	bool same = gnutls_pubkey_init(&mine) == 0 &&
		    gnutls_pubkey_import_privkey(mine, p->key, 0, 0) == 0 &&
		    gnutls_pubkey_get_key_id(mine, 0, a, &na) == 0 &&
		    gnutls_pubkey_get_key_id(p->chain[0].pubkey, 0, b, &nb) == 0 && na == nb &&
		    !memcmp(a, b, na);
	if (mine)
		gnutls_pubkey_deinit(mine);
	return same;
}

/* Returns the end of the text's first certificate in Unix seconds, or 0 if it cannot be read.
 */
static int64_t
certificate_end(const gnutls_datum_t *pem)
{
	gnutls_x509_crt_t crt;
	int64_t end = 0;

	if (gnutls_x509_crt_init(&crt) == 0) {
		if (gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM) == 0)
			end = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
		gnutls_x509_crt_deinit(crt);
	}
	return end > 0 ? end : 0;
}

static bool
pair_load(const struct tls *t, struct pair *p, struct buf *why)
{
	gnutls_datum_t cert = { NULL, 0 }, key = { NULL, 0 };
	int err;

	memset(p, 0, sizeof(*p));
	if (!read_pem(t->file[0], false, &cert, why))
		return false;
	p->end_s = certificate_end(&cert);
	p->n = CHAIN;
	err = gnutls_pcert_list_import_x509_raw(p->chain, &p->n, &cert, GNUTLS_X509_FMT_PEM, 0);
	gnutls_free(cert.data);
	if (err) {
		p->n = 0;
		buf_printf(why, "%s: %s", t->file[0], gnutls_strerror(err));
		return false;
	}
	bool fine = read_pem(t->file[1], true, &key, why);
	if (fine && (gnutls_privkey_init(&p->key) ||
			    (err = gnutls_privkey_import_x509_raw(
				     p->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0)))) {
		buf_printf(why, "%s: %s", t->file[1], gnutls_strerror(err));
		fine = false;
	} else if (fine && !key_belongs_to_certificate(p)) {
		buf_printf(why, "%s: this is not the key of %s", t->file[1], t->file[0]);
		fine = false;
	}
	if (key.data) {
		explicit_bzero(key.data, key.size);
		gnutls_free(key.data);
	}
	if (!fine)
		pair_free(p);
	return fine;
}

static gnutls_x509_trust_list_t
trust_load(const char *file, struct buf *why)
{
	gnutls_x509_trust_list_t list = NULL;
	gnutls_datum_t pem = { NULL, 0 };

	if (!read_pem(file, false, &pem, why))
		return NULL;
	int n = gnutls_x509_trust_list_init(&list, 0);
	if (n == 0)
		n = gnutls_x509_trust_list_add_trust_mem(
			list, &pem, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
	gnutls_free(pem.data);
	if (n > 0)
		return list;
	buf_printf(why, "%s: %s", file,
		n < 0 ? gnutls_strerror(n)
		      : "the file contains no "
			"certificate");
	if (list)
		gnutls_x509_trust_list_deinit(list, 1);
	return NULL;
}

static bool
has_changed(struct tls *t)
{
	bool changed = false;

	for (size_t i = 0; i < FILES; i++) {
		struct stat st = { .st_ino = 0 };
		if (!t->file[i])
			continue;
		if (stat(t->file[i], &st) < 0)
			memset(&st, 0, sizeof(st));
		changed = changed || st.st_ino != t->seen[i].st_ino ||
			  st.st_size != t->seen[i].st_size ||
			  st.st_mtim.tv_sec != t->seen[i].st_mtim.tv_sec ||
			  st.st_mtim.tv_nsec != t->seen[i].st_mtim.tv_nsec;
		t->seen[i] = st;
	}
	return changed;
}

/* Replaces certificate and authorities together, or neither. */
static bool
load_certificate(struct tls *t, struct buf *why)
{
	gnutls_x509_trust_list_t clients = NULL;
	struct pair next;

	if (!pair_load(t, &next, why))
		return false;
	if (t->file[2] && !(clients = trust_load(t->file[2], why))) {
		pair_free(&next);
		return false;
	}
	t->now = (t->now + 1) % KEPT;
	pair_free(&t->pair[t->now]);
	t->pair[t->now] = next;
	if (t->end_s)
		atomic_store_explicit(t->end_s, next.end_s, memory_order_relaxed);
	if (t->clients)
		gnutls_x509_trust_list_deinit(t->clients, 1);
	t->clients = clients;
	return true;
}

static void
look_at_files(struct tls *t)
{
	if (!has_changed(t))
		return;
	SCOPED_BUF(why, 4096);
	bool fine = load_certificate(t, &why);
	buf_putc(&why, '\0');
	if (fine)
		log_event(LOG_INFO, "admin.tls", LS("certificate", t->file[0]));
	else
		log_event(LOG_ERROR, "admin.tls_refused", LS("why", buf_view(&why).p));
}

int
tls_on_handshake(gnutls_session_t s, const gnutls_datum_t *dn, int n,
	const gnutls_pk_algorithm_t *algos, int nalgos, gnutls_pcert_st **chain,
	unsigned *length, gnutls_privkey_t *key)
{
	struct tls *t = in_force;

	(void)s, (void)dn, (void)n, (void)algos, (void)nalgos;
	look_at_files(t);
	*chain = t->pair[t->now].chain;
	*length = t->pair[t->now].n;
	*key = t->pair[t->now].key;
	return 0;
}

/* ---- clients ---- */

/* Returns true if the name has only printable characters, so that records and logs can show it.
 */
static bool
is_plain_path(const char *s, size_t n)
{
	return n > 0 && span_past(span_of(s, n), 0, is_graph) == n;
}

static bool
cert_name(gnutls_x509_crt_t crt, char *name, size_t size)
{
	size_t n = size;
	unsigned type;
	int kind;

	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &n) ==
		0)
		return is_plain_path(name, n) && n < size;
	for (unsigned i = 0; i < 16; i++) {
		n = size;
		kind = gnutls_x509_crt_get_subject_alt_name2(crt, i, name, &n, &type, NULL);
		if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return false;
		if ((kind == GNUTLS_SAN_DNSNAME || kind == GNUTLS_SAN_RFC822NAME) && n < size) {
			name[n] = '\0';
			return is_plain_path(name, n);
		}
	}
	return false;
}

bool
tls_client(struct MHD_Connection *c, char *name, size_t size)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const gnutls_datum_t *raw;
	gnutls_x509_crt_t crt[CHAIN];
	unsigned n = 0, sent = 0, status = ~0u;
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (void *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };

	name[0] = '\0';
	if (!info || !in_force || !in_force->clients)
		return false;
	raw = gnutls_certificate_get_peers(info->tls_session, &sent);
	for (; raw && n < sent && n < CHAIN; n++) {
		if (gnutls_x509_crt_init(&crt[n]))
			break;
		if (gnutls_x509_crt_import(crt[n], &raw[n], GNUTLS_X509_FMT_DER)) {
			gnutls_x509_crt_deinit(crt[n]);
			break;
		}
	}
	bool fine = n > 0 && n == sent &&
		    gnutls_x509_trust_list_verify_crt2(
			    in_force->clients, crt, n, &purpose, 1, 0, &status, NULL) == 0 &&
		    status == 0 && cert_name(crt[0], name, size);
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(crt[i]);
	if (!fine)
		name[0] = '\0';
	return fine;
}

/* ---- creation and end ---- */

int64_t
tls_look(const struct admin_tls *files, struct buf *why)
{
	_Atomic int64_t end_s = 0;
	struct tls *before = in_force, *t = tls_new(files, &end_s, why);
	bool fine = t != NULL;

	tls_free(&t);
	in_force = before;
	return fine ? end_s : 0;
}

struct tls *
tls_new(const struct admin_tls *files, _Atomic int64_t *end_s, struct buf *why)
{
	struct tls *t = calloc(1, sizeof(*t));
	gnutls_datum_t trust = { NULL, 0 };

	if (!t) {
		buf_str(why, "out of memory");
		return NULL;
	}
	t->end_s = end_s;
	t->file[0] = files->certificate;
	t->file[1] = files->key;
	t->file[2] = files->clients;
	has_changed(t);
	if (!load_certificate(t, why) ||
		(t->file[2] && !read_pem(t->file[2], false, &trust, why))) {
		tls_free(&t);
		return NULL;
	}
	t->trust = trust.data ? strndup((const char *)trust.data, trust.size) : NULL;
	gnutls_free(trust.data);
	in_force = t;
	return t;
}

void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (!t)
		return;
	if (in_force == t)
		in_force = NULL;
	for (size_t i = 0; i < KEPT; i++)
		pair_free(&t->pair[i]);
	if (t->clients)
		gnutls_x509_trust_list_deinit(t->clients, 1);
	free(t->trust);
	free(t);
	*tp = NULL;
}

const char *
tls_trust(const struct tls *t)
{
	return t->trust;
}
