// Every page as who prefers light colours sees it.

import { everyPage } from '../pages.mjs';

export default (stage, browser) => everyPage(stage, browser, 'light');
