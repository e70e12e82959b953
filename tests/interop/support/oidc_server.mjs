// An OpenID provider for tests: node oidc_server.mjs FOLDER PORT REDIRECT_URL, where FOLDER has
// oidc-provider from npm. Everybody may sign in, with any password; mallory's mail address is not
// verified. The pages are its own development ones.
const [folder, port, redirect] = process.argv.slice(2);
const { default: Provider } = await import(`${folder}/node_modules/oidc-provider/lib/index.js`);

const groups = { 'alice@example.com': ['staff', 'root'] };
const provider = new Provider(`http://127.0.0.1:${port}`, {
	clients: [{
		client_id: 'warren',
		client_secret: 'canary-client-secret',
		redirect_uris: [redirect],
		grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
		response_types: ['code'],
	}],
	claims: {
		openid: ['sub', 'groups'],
		email: ['email', 'email_verified'],
		profile: ['preferred_username'],
	},
	conformIdTokenClaims: process.env.CLAIMS_IN_TOKEN === undefined,
	cookies: { keys: ['only for tests'] },
	features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
	pkce: { required: (ctx) => ctx.oidc.route !== 'device_authorization' },
	ttl: { DeviceCode: 600 },
	findAccount: (ctx, id) => ({
		accountId: id,
		claims: () => ({
			sub: id,
			email: id,
			email_verified: !id.startsWith('mallory'),
			preferred_username: id.split('@')[0],
			groups: groups[id] ?? [],
		}),
	}),
});
provider.on('server_error', (ctx, error) => console.log('server_error', error));
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
