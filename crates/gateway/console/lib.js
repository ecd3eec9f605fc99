// What every module renders with: preact, its hooks and htm, from one place.

import { h } from './vendor/preact.mjs';
import htm from './vendor/htm.mjs';

export { Component, Fragment, createContext, h, render } from './vendor/preact.mjs';
export {
  useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState,
} from './vendor/preact-hooks.mjs';

/** Tagged templates that make elements. */
export const html = htm.bind(h);
