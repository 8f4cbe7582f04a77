import "./page.css";

import { Page } from "./page.ts";

new Page(window).start();
