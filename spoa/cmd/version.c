/* tollgate version: prints the version of the program and of the libraries that it is
 * linked with. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <curl/curl.h>
#include <ev.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <llhttp.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <pcre2.h>
#include <sodium.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>

#include "base/program.h"
#include "base/redis/redis_tls.h"
#include "cmd/cmd.h"

int
cmd_version(int argc, char **argv)
{
	char pcre[64] = "";

	if (argc > 1)
		return cmd_usage(argv[0]);
	pcre2_config(PCRE2_CONFIG_VERSION, pcre);
	printf("tollgate %s\n", TG_VERSION);
	printf("commit %s\n", program_commit());
	printf("SPOP 2.0\n");
	printf("libev %d.%d\n", ev_version_major(), ev_version_minor());
	printf("jansson %s\n", JANSSON_VERSION);
	printf("PCRE2 %s\n", pcre);
	printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	printf("libsodium %s\n", sodium_version_string());
	printf("hiredis %d.%d.%d, %s TLS\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH,
		redis_tls_built ? "with" : "without");
	printf("libyaml %s\n", yaml_get_version_string());
	printf("libmicrohttpd %s\n", MHD_get_version());
	printf("libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
	printf("zlib %s\n", zlibVersion());
	printf("llhttp %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
		LLHTTP_VERSION_PATCH);
	return EXIT_DONE;
}
