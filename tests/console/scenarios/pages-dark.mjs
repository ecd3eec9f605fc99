// Every page as who prefers dark colours sees it.

import { everyPage } from '../pages.mjs';

export default (stage, browser) => everyPage(stage, browser, 'dark');
