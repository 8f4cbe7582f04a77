/** Somebody who opens the built page in Chromium, with a record of all that the page asks for and complains about. */

import { readFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";

import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import { launch } from "../chromium.mjs";

export const ID = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
export const OTHER_ID = "bnx4yyvsjcz2eur2lh4ololqz64k2vliophkyekjz6mx7ja2ej7osaib";
/** A contact with a name, at a server. */
export const ADA = `${ID}?server=example.org&name=Ada%20Lovelace`;

/** Tests run in the package's directory. */
export const HTML = readFileSync("dist/index.html", "utf8");
export const FILE = pathToFileURL("dist/index.html").href;

export interface Visit {
  readonly page: Page;
  /** URLs that the page, or anything in it, asked for. */
  readonly requests: readonly string[];
  /** Warnings and errors on the console, uncaught errors. */
  readonly complaints: readonly string[];
}

export interface VisitOptions extends BrowserContextOptions {
  /** Runs before the page's own script. */
  readonly before?: string;
  readonly permissions?: string[];
}

export class Visitor {
  private constructor(private readonly browser: Browser) {}

  static async start(): Promise<Visitor> {
    return new Visitor(await launch());
  }

  /** Opens an address. Whatever host it names, the built page answers; loopback addresses and files are real. */
  async open(address: string, options: VisitOptions = {}): Promise<Visit> {
    const { before, ...contextOptions } = options;
    const context = await this.browser.newContext({ locale: "en-GB", ...contextOptions });
    const requests: string[] = [];
    const complaints: string[] = [];
    context.on("request", (request) => requests.push(request.url()));
    if (before !== undefined) {
      await context.addInitScript(before);
    }
    const isServed = (url: URL) => url.protocol !== "file:" && url.hostname !== "127.0.0.1";
    await context.route(isServed, (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body: HTML }));
    const page = await context.newPage();
    page.on("websocket", (socket) => requests.push(socket.url()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        complaints.push(message.text());
      }
    });
    await page.goto(address);
    return { page, requests, complaints };
  }

  async leave(): Promise<void> {
    await this.browser.close();
  }
}

/** A web server as a host of the page would run it, on a free port of the loopback interface. */
export class Host {
  /** Method and path of every request. */
  readonly log: string[] = [];
  private readonly server: Server;

  private constructor(html: string) {
    this.server = createServer((request, response) => {
      const path = request.url ?? "";
      this.log.push(`${request.method} ${path}`);
      const isPage = path.startsWith("/add/");
      response.writeHead(isPage ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
      response.end(isPage ? html : "");
    });
  }

  static async start(html = HTML): Promise<Host> {
    const host = new Host(html);
    await new Promise<void>((resolve) => host.server.listen(0, "127.0.0.1", resolve));
    return host;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
