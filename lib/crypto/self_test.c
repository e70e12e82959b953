#include "crypto/self_test.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/encoding.h"
#include "crypto/chapoly.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

#define TEXT_MAX 512

static bool equals(const uint8_t *data, size_t len, const char *hex)
{
	uint8_t expected[TEXT_MAX];

	return encoding_hex_parse(expected, len, hex) == 0 && memcmp(data, expected, len) == 0;
}

/* Of constants here, so that it cannot fail. */
static void unhex(uint8_t *out, size_t len, const char *hex)
{
	(void)encoding_hex_parse(out, len, hex);
}

/* RFC 7748, 5.2: scalar, u-coordinate, result. */
static const char *const multiplications[][3] = {
	{ "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
	  "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	  "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552" },
	{ "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
	  "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
	  "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957" },
};

/* RFC 7748, 6.1: Alice's keys, Bob's, and what they share. */
static const char alice_private[] =
	"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
static const char alice_public[] =
	"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
static const char bob_private[] =
	"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
static const char bob_public[] = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
static const char shared_secret[] =
	"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

static bool test_x25519(void)
{
	uint8_t a[32], b[32], pub[32], shared[32];

	for (size_t i = 0; i < sizeof(multiplications) / sizeof(multiplications[0]); i++) {
		unhex(a, 32, multiplications[i][0]);
		unhex(b, 32, multiplications[i][1]);
		if (dh_shared(shared, a, b) < 0 || !equals(shared, 32, multiplications[i][2]))
			return false;
	}
	unhex(a, 32, alice_private);
	unhex(b, 32, bob_private);
	dh_public(pub, a);
	if (!equals(pub, 32, alice_public) || dh_shared(shared, b, pub) < 0 ||
	    !equals(shared, 32, shared_secret))
		return false;
	dh_public(pub, b);
	if (!equals(pub, 32, bob_public) || dh_shared(shared, a, pub) < 0 ||
	    !equals(shared, 32, shared_secret))
		return false;
	memset(b, 0, sizeof(b));
	return dh_shared(shared, a, b) == -EINVAL;
}

static bool test_ed25519(void)
{
	/* RFC 8032, 7.1, test 3. */
	static const char seed_hex[] =
		"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
	static const char pub_hex[] =
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
	static const char sig_hex[] =
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
		"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
	static const uint8_t message[2] = { 0xaf, 0x82 };
	uint8_t seed[32], pub[32], secret[64], sig[64];

	unhex(seed, 32, seed_hex);
	sign_key_from_seed(pub, secret, seed);
	crypto_sign_detached(sig, NULL, message, sizeof(message), secret);
	if (!equals(pub, 32, pub_hex) || !equals(sig, 64, sig_hex))
		return false;
	if (sign_make(sig, secret, "self test", message, sizeof(message)) < 0 ||
	    !sign_verify(sig, pub, "self test", message, sizeof(message)) ||
	    sign_verify(sig, pub, "other test", message, sizeof(message)))
		return false;
	sig[40] ^= 1;
	return !sign_verify(sig, pub, "self test", message, sizeof(message));
}

static bool test_blake2s(void)
{
	uint8_t out[32], key[32];

	/* RFC 7693, appendix B; the keyed one and the KDF are from Python's hashlib. */
	hash_blake2s(out, "a", 1, "bc", 2);
	if (!equals(out, 32, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"))
		return false;
	memset(key, 'k', sizeof(key));
	hash_mac16(out, key, sizeof(key), "data", 4);
	return equals(out, 16, "4369f34699c43fd4a50d2f291971554a");
}

static bool test_kdf(void)
{
	uint8_t a[32], b[32], c[32], key[32];

	hash_hmac_blake2s(a, "key", 3, "data", 4);
	if (!equals(a, 32, "84f646acda0776ee848b7f9dc5771c7d8cf023999c0c3dd84dc78636a146e805"))
		return false;
	memset(key, 1, sizeof(key));
	hash_kdf(a, b, c, key, "input", 5);
	return equals(a, 32, "17cdf2d7371de9035d081b63b5d0993c1ce87d38abb21913f3bc825920f88124") &&
	       equals(b, 32, "437f52b1d367f50760b57edc19f21fba061fe48eedb600857a555bb169e767be") &&
	       equals(c, 32, "74c97525c9c2f75b71987b2c664078b3d3d361d21bf460a9de63ac1b9072d624");
}

static bool test_hmac_sha1(void)
{
	uint8_t out[20], key[20];

	/* RFC 2202, 3: cases 1 and 2. */
	memset(key, 0x0b, sizeof(key));
	hash_hmac_sha1(out, key, sizeof(key), "Hi There", 8);
	if (!equals(out, 20, "b617318655057264e28bc0b6fb378c8ef146be00"))
		return false;
	hash_hmac_sha1(out, "Jefe", 4, "what do ya want for nothing?", 28);
	return equals(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

/* RFC 8439, 2.8.2, of which the XChaCha20 draft, A.3.1, uses all but the nonce. */
static const char sunscreen[] =
	"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
	"future, sunscreen would be it.";
#define SUNSCREEN_SIZE (sizeof(sunscreen) - 1)
static const char sunscreen_ad[] = "50515253c0c1c2c3c4c5c6c7";
static const char sunscreen_sealed[] =
	"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	"3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	"92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	"3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
	"0691";
static const char sunscreen_xsealed[] =
	"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
	"731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
	"2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
	"21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780a"
	"cf49";

static void count_up(uint8_t *out, size_t len, uint8_t from)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(from + i);
}

/* RFC 8439, A.5: only the tag, which depends on everything before it. */
static bool test_a5(void)
{
	static const char plain[] =
		"Internet-Drafts are draft documents valid for a maximum of six months and may be "
		"updated, replaced, or obsoleted by other documents at any time. It is "
		"inappropriate to use Internet-Drafts as reference material or to cite them other "
		"than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
	const size_t len = sizeof(plain) - 1;
	uint8_t key[32], ad[12], sealed[TEXT_MAX], opened[TEXT_MAX];

	unhex(key, 32, "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
	unhex(ad, 12, "f33388860000000000004e91");
	chapoly_seal(sealed, key, 0x0807060504030201ULL, ad, sizeof(ad), (const uint8_t *)plain,
		     len);
	if (!equals(sealed + len, 16, "eead9d67890cbb22392336fea1851f38") ||
	    !chapoly_open(opened, key, 0x0807060504030201ULL, ad, sizeof(ad), sealed, len + 16) ||
	    memcmp(opened, plain, len) != 0)
		return false;
	ad[0] ^= 1;
	return !chapoly_open(opened, key, 0x0807060504030201ULL, ad, sizeof(ad), sealed, len + 16);
}

static bool test_chapoly(void)
{
	uint8_t key[32], nonce[12], ad[12], sealed[SUNSCREEN_SIZE + 16];

	count_up(key, sizeof(key), 0x80);
	unhex(nonce, sizeof(nonce), "070000004041424344454647");
	unhex(ad, sizeof(ad), sunscreen_ad);
	/* Our own face has no place for the first bytes of this nonce. */
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, (const uint8_t *)sunscreen,
						  SUNSCREEN_SIZE, ad, sizeof(ad), NULL, nonce, key);
	return equals(sealed, sizeof(sealed), sunscreen_sealed) && test_a5();
}

static bool test_xchapoly(void)
{
	uint8_t key[32], nonce[24], ad[12], sealed[SUNSCREEN_SIZE + 16], opened[SUNSCREEN_SIZE];

	count_up(key, sizeof(key), 0x80);
	count_up(nonce, sizeof(nonce), 0x40);
	unhex(ad, sizeof(ad), sunscreen_ad);
	xchapoly_seal(sealed, key, nonce, ad, sizeof(ad), (const uint8_t *)sunscreen,
		      SUNSCREEN_SIZE);
	if (!equals(sealed, sizeof(sealed), sunscreen_xsealed) ||
	    !xchapoly_open(opened, key, nonce, ad, sizeof(ad), sealed, sizeof(sealed)) ||
	    memcmp(opened, sunscreen, SUNSCREEN_SIZE) != 0)
		return false;
	sealed[5] ^= 1;
	return !xchapoly_open(opened, key, nonce, ad, sizeof(ad), sealed, sizeof(sealed));
}

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "x25519", test_x25519 },
	{ "ed25519", test_ed25519 },
	{ "blake2s", test_blake2s },
	{ "hkdf-blake2s", test_kdf },
	{ "hmac-sha1", test_hmac_sha1 },
	{ "chacha20-poly1305", test_chapoly },
	{ "xchacha20-poly1305", test_xchapoly },
};

#define TESTS (sizeof(tests) / sizeof(tests[0]))

const char *self_test_name(size_t index)
{
	return index < TESTS ? tests[index].name : NULL;
}

bool self_test_run(size_t index)
{
	return sodium_init() >= 0 && index < TESTS && tests[index].run();
}
