// Which page is where. A page module exports `default` (a component that gets `{ params, query, session }`);
// `nav` puts it into the navigation, `needs` for those alone who may do what it is for.

export const PAGES = [
  { path: '/', title: 'Overview', nav: true, load: () => import('./pages/overview.js') },
  { path: '/batches', title: 'Batches', nav: true, load: () => import('./pages/batches.js') },
  { path: '/batches/:id', title: 'Batch', load: () => import('./pages/batch.js') },
  { path: '/find', title: 'Find by recipient', nav: true, load: () => import('./pages/find.js') },
  { path: '/playground', title: 'Playground', nav: true, needs: 'send', load: () => import('./pages/playground.js') },
  { path: '/providers', title: 'Providers', nav: true, load: () => import('./pages/providers.js') },
  { path: '/migrations', title: 'Migrations', nav: true, load: () => import('./pages/migrations.js') },
  { path: '/callbacks', title: 'Callbacks', nav: true, load: () => import('./pages/callbacks.js') },
];
