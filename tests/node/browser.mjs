// As much of a browser as the login pages need: keeps cookies, fills in forms, follows redirects within the server.

const entities = { "&#38;": "&", "&#34;": '"', "&#39;": "'", "&#60;": "<", "&#62;": ">" };
const unescape = (text) => text.replaceAll(/&#\d+;/g, (entity) => entities[entity] ?? entity);
const attribute = (tag, name) => unescape(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? "");

/** Where a browser goes on to by itself: by a redirect, or by a page that comes between. */
export const leadsTo = ({ headers }) => headers.get("location") ?? /^0; url=(.*)$/.exec(headers.get("refresh"))?.[1];

export class Browser {
  #cookies = new Map();

  /** One request, without following where it leads. */
  async open(url, fields) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const body = fields && new URLSearchParams(fields);
    const headers = { ...(cookie && { cookie }), ...(body && { origin: new URL(url).origin }) };
    const answer = await fetch(url, { method: body ? "POST" : "GET", redirect: "manual", headers, body });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) this.#cookies.set(name, value);
      else this.#cookies.delete(name);
    }
    return answer;
  }

  /** From an authorization URL through the pages to where the application is called back. */
  async authorize(url, { username, password, decision = "allow" }) {
    let answer = await this.open(url);
    for (let page = 0; page < 3 && answer.status === 200 && !leadsTo(answer); page += 1) {
      const html = await answer.text();
      const action = new URL(attribute(/<form[^>]*>/.exec(html)[0], "action"), url);
      const fields = {};
      for (const [input] of html.matchAll(/<input type="hidden"[^>]*>/g)) {
        fields[attribute(input, "name")] = attribute(input, "value");
      }
      const filled = html.includes('name="password"') ? { username, password } : { decision };
      answer = await this.open(action, { ...fields, ...filled });
    }
    const location = leadsTo(answer);
    if (!location) throw new Error(`${answer.status} from ${url}: ${await answer.text()}`);
    return new URL(location);
  }
}
