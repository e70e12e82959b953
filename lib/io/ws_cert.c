#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "io/ws.h"

#define VALID_S (10L * 366 * 24 * 3600)

static int add_name(X509 *cert, const char *common_name)
{
	struct ip_addr addr;
	char text[300];
	X509_EXTENSION *extension;
	X509_NAME *name = X509_get_subject_name(cert);
	int ok;

	/* A common name holds 64 characters (RFC 5280, ub-common-name); the rest stays in the SAN.
	 */
	if (!X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					(const unsigned char *)common_name,
					(int)strnlen(common_name, 64), -1, 0) ||
	    !X509_set_issuer_name(cert, name))
		return -EINVAL;
	snprintf(text, sizeof(text), "%s:%s", addr_parse(&addr, common_name) == 0 ? "IP" : "DNS",
		 common_name);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	if (!extension)
		return -EINVAL;
	ok = X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return ok ? 0 : -ENOMEM;
}

static X509 *make_cert(EVP_PKEY *key, const char *common_name)
{
	X509 *cert = X509_new();
	uint64_t serial = 0;

	if (!cert)
		return NULL;
	if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	    X509_set_version(cert, 2) &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) &&
	    /* A day back, for clients whose clocks are behind. */
	    X509_gmtime_adj(X509_getm_notBefore(cert), -24L * 3600) &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S) && X509_set_pubkey(cert, key) &&
	    add_name(cert, common_name) == 0 && X509_sign(cert, key, EVP_sha256()))
		return cert;
	X509_free(cert);
	return NULL;
}

static int write_pem(const char *path, EVP_PKEY *key, X509 *cert, mode_t mode)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;
	int err = -ENOMEM;

	if (!bio)
		return -ENOMEM;
	if (cert ? PEM_write_bio_X509(bio, cert)
		 : PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
		len = BIO_get_mem_data(bio, &data);
		err = file_write_atomic(path, data, (size_t)len, mode);
		OPENSSL_cleanse(data, (size_t)len);
	}
	BIO_free(bio);
	return err;
}

int ws_make_certificate(const char *cert_file, const char *key_file, const char *common_name)
{
	EVP_PKEY *key;
	X509 *cert;
	int err = -ENOMEM;

	if (access(cert_file, F_OK) == 0 && access(key_file, F_OK) == 0)
		return 0;
	key = EVP_EC_gen("P-256");
	if (!key)
		return -ENOMEM;
	cert = make_cert(key, common_name);
	if (cert) {
		err = write_pem(key_file, key, NULL, 0600);
		if (err == 0)
			err = write_pem(cert_file, NULL, cert, 0644);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

static X509 *read_cert(const char *cert_file, int *err)
{
	BIO *bio = BIO_new_file(cert_file, "r");
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	*err = cert ? 0 : bio ? -EINVAL : -ENOENT;
	BIO_free(bio);
	return cert;
}

static uint64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;
	time_t seconds = ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : 0;

	return seconds < 0 ? 0 : (uint64_t)seconds;
}

int ws_certificate_life(const char *cert_file, struct ws_certificate_life *life)
{
	int err;
	X509 *cert = read_cert(cert_file, &err);

	if (!cert)
		return err;
	life->not_before_s = seconds_of(X509_get0_notBefore(cert));
	life->not_after_s = seconds_of(X509_get0_notAfter(cert));
	life->self_signed = X509_check_issued(cert, cert) == X509_V_OK;
	X509_free(cert);
	return 0;
}

int ws_certificate_check(const char *cert_file, const char *key_file)
{
	SSL_CTX *ctx;
	X509 *cert;
	int err = 0;

	if (access(cert_file, R_OK) < 0 || access(key_file, R_OK) < 0)
		return -errno;
	ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx)
		return -ENOMEM;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		err = -EINVAL;
	cert = SSL_CTX_get0_certificate(ctx);
	if (err == 0 && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		err = -EKEYEXPIRED;
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return err;
}

int ws_certificate_key_hash(const char *cert_file, uint8_t hash[static WS_KEY_HASH_SIZE])
{
	unsigned char *der = NULL;
	int err;
	X509 *cert = read_cert(cert_file, &err);
	int len = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;

	if (len > 0)
		hash_blake2s(hash, der, (size_t)len, NULL, 0);
	OPENSSL_free(der);
	X509_free(cert);
	return len > 0 ? 0 : err ? err : -EINVAL;
}
