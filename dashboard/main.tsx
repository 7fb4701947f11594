import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import './style/theme.css';
import { App } from './app.tsx';

const root = document.getElementById('root');
if (root === null) throw new Error('Expected an element #root in the page');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
