// npm's smtp-server on a port of its own. Its options come as JSON in the first argument; it says its port in a line of
// its own, then each message it took in another one.
'use strict';
const fs = require('fs');
const path = require('path');
const { modules, recipients, closes, certificate, ...options } = JSON.parse(process.argv[2]);
const { SMTPServer } = require(path.join(modules, 'smtp-server'));

const pem = certificate && fs.readFileSync(certificate);
const refusal = (code, text) => Object.assign(new Error(text), { responseCode: code });
const say = value => process.stdout.write(JSON.stringify(value) + '\n');

const server = new SMTPServer({
    ...options,
    ...(pem ? { key: pem, cert: pem } : { hideSTARTTLS: true }),
    authOptional: true,
    onRcptTo({ address }, session, callback) {
        if (!address.startsWith('good')) return callback(refusal(550, '5.1.1 nobody here'));
        if (session.envelope.rcptTo.length >= recipients) return callback(refusal(452, '4.5.3 too many recipients'));
        callback();
    },
    onData(stream, session, callback) {
        const chunks = [];
        stream.on('data', chunk => chunks.push(chunk));
        stream.on('end', () => {
            const { mailFrom, rcptTo } = session.envelope;
            say({
                sender: mailFrom.address || '',
                recipients: rcptTo.map(each => each.address),
                content: Buffer.concat(chunks).toString('latin1'),
                body: String((mailFrom.args && mailFrom.args.BODY) || ''),
                tls: Boolean(session.secure)
            });
            callback(null, 'taken');
            if (closes) server.connections.forEach(each => each.session === session && each.close());
        });
    }
});
server.on('error', () => {});
server.listen(0, '127.0.0.1', () => say(server.server.address().port));
